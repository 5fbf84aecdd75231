/* The fields of an event, read one after the other. */
#ifndef NODE_FIELDS_H
#define NODE_FIELDS_H

#include "ledger.h"

/* The fields of one event, read one after the other, as many as are wanted. */
typedef struct {
    Reader *reader;
    u32 left;
} Fields;

static Reader *next(Fields *fields) {
    if (fields->left == 0) give_up();
    fields->left--;
    return fields->reader;
}

static void skip(Fields *fields, u32 count) {
    while (count--) skip_value(next(fields));
}

static const u8 *next_id(Fields *fields) { return read_fixed(next(fields), 32); }
static u64 next_uint(Fields *fields) { return read_uint(next(fields)); }
static U256 next_amount(Fields *fields) { return u256_read(next(fields)); }
static Bytes next_text(Fields *fields) { return read_text(next(fields)); }
static Bytes next_bytes(Fields *fields) { return read_bytes(next(fields)); }

static Bytes next_hash(Fields *fields) {
    Reader *reader = next(fields);
    return read_nil(reader) ? (Bytes){NULL, 0} : read_bytes(reader);
}

#endif
