"""Views copied to PostgreSQL, and kept level with their files (docs/postgres.md).

    errors    what can go wrong, each with a name
    limits    bounds
    driver    psycopg, loaded late; connections; its errors as ours
    layout    a view's tables as PostgreSQL has them, and which rows it cannot hold
    source    a view's file, read-only, beside its writer
    changes   the changes of many messages as one change for each row
    target    the tables in PostgreSQL, and their stamp
    copying   a whole view anew, in one transaction
    status    how far a sink is
    sink      one step after another: connect, compare, copy or apply
    worker    steps in a thread of their own, and a status for everybody
    check     the digest over what PostgreSQL holds

A room of its own beside `node.views`, which has no clock, threads or sockets (ADR 0086).
"""
