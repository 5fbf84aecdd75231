"""Tools for people who write reducers: begin one, build it, run messages, replay, measure.

errors      what may go wrong, by name            limits        bounds
zig         the compiler, a module of a source    folders       where a reducer lies; a new one
values      messages as JSON                      envelopes     what an app's reducer is told
trials      running messages, what came of it     message_file  messages, and what is expected
replays     the same in fresh processes           profiles      fuel and time
"""
