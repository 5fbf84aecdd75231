"""What can be wrong with reducers and views of channels besides what a reducer does."""


class TooManyReducers(Exception):
    """The node has as many reducers as it may have; remove files from its directory."""


class ReducerMissing(Exception):
    """No code with that hash is installed, or its file is damaged."""


class HistoryDiffers(Exception):
    """The log's messages do not lead to what they once led to: the view cannot be relied on."""
