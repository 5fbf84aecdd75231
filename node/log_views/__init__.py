"""The node's own views: tables of channels, payments, fees and balances, derived from its log.

shipped    the reducer that comes with the node
batches    records of the log as messages
keeper     a view on disk that follows a log
reading    questions to it, read-only, with a limit of time
"""
