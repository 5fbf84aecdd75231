"""Bounds of an audit: value, unit, why."""

UNSETTLED_COUNT_MAX = 8
"""Groups of records whose signatures are on their way: what keeps all cores busy, and the memory
that what was said of records takes until they are settled."""

INDEX_CHUNK_SUFFIX_SIZE_BYTES = 2
"""Of a record's number as a key: records that share what comes before are one chunk."""

INDEX_CHUNK_RECORD_COUNT = 256**INDEX_CHUNK_SUFFIX_SIZE_BYTES
"""Records whose entries in the index are compared together: where they differ, so many are looked
at one by one."""

COMPARED_KEY_COUNT_MAX = 500_000
"""Keys of a family held at once while looking for those that differ: about 100 MB."""

CHAIN_FACT_COUNT_MAX = 100_000
"""Confirmed logs that are compared with the chain: a call to the endpoint for each of their
blocks, and 300 bytes each until then."""

COLLECTION_THRESHOLD = 100_000
"""Objects that may be made, less those given back, before Python looks for circles among the
youngest: about 20 MB."""

CHAIN_STRETCH_BLOCK_COUNT = 500
"""Blocks whose logs are asked for in one call; halved where an endpoint finds that too much."""
