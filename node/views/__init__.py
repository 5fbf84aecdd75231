"""Views: tables that a WebAssembly reducer derives from messages, the same on every machine.

encoding    the bytes of messages, writes and rows        errors, limits   what may go wrong, bounds
wasm        the engine's settings, in one place           sections         what a module is made of
module      loading and checking a reducer                compiled         compiled reducers on disk
calls       one instance and the calls into it            sandbox          one message, one instance
replies     what a reducer hands back                     statements       which SQL is let through
schema      which tables are let through                  database         SQLite, guarded
digest      one hash over all tables                      stamp, view      the view itself
history     messages and row changes, kept in order    undoing     taking them back
"""
