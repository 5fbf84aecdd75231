/* A reducer's library, without libc: memory, the message, the reply, questions, amounts.
 *
 * Include it in the one file of a reducer and write
 *
 *     static void begin(Reply *reply);                      the tables, for `init`
 *     static u32 take(Reader *message, Reply *reply);       0, or the reason to refuse
 *     REDUCER(begin, take)
 *
 * The instance lives for one message: nothing is ever freed, and no global keeps its value. What
 * cannot go on calls `give_up`, a trap: the message is undone and the tables are as they were.
 * What crosses is in docs/views.md.
 */
#ifndef TALLYSTICK_ABI_H
#define TALLYSTICK_ABI_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#define UNUSED __attribute__((unused))
#define HOST(name) __attribute__((import_module("host"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

/* Imported only if it is called. */
HOST("exec") i64 host_exec(const void *write, u32 size);
HOST("query") i64 host_query(const void *question, u32 size, void *out, u32 capacity);

UNUSED static _Noreturn void give_up(void) { __builtin_trap(); }

/* --- memory ------------------------------------------------------------------------------- */

#define PAGE_SIZE 65536u

extern u8 __heap_base;
static u8 *heap_end;

/* Zeroed, aligned to 8. NULL if the host lets the memory grow no further. */
UNUSED static void *try_take_memory(u32 size) {
    if (heap_end == NULL) heap_end = &__heap_base;
    u32 start = ((u32)heap_end + 7u) & ~7u;
    if (size > 0xfffffff0u - start) return NULL;
    u32 end = start + size, have = (u32)__builtin_wasm_memory_size(0) * PAGE_SIZE;
    if (end > have) {
        u32 pages = (end - have + PAGE_SIZE - 1) / PAGE_SIZE;
        if (pages < 16 && __builtin_wasm_memory_grow(0, 16) != (unsigned long)-1) pages = 0;
        if (pages && __builtin_wasm_memory_grow(0, pages) == (unsigned long)-1) return NULL;
    }
    heap_end = (u8 *)end;
    return (void *)start;
}

UNUSED static void *take_memory(u32 size) {
    void *taken = try_take_memory(size);
    if (taken == NULL) give_up();
    return taken;
}

UNUSED static void copy(void *to, const void *from, u32 size) { __builtin_memcpy(to, from, size); }

UNUSED static int compare(const void *one, const void *other, u32 size) {
    const u8 *a = one, *b = other;
    for (u32 i = 0; i < size; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

UNUSED static bool equal(const void *one, const void *other, u32 size) {
    const u8 *a = one, *b = other;
    for (; size >= 8; a += 8, b += 8, size -= 8) {
        u64 x, y;
        copy(&x, a, 8);
        copy(&y, b, 8);
        if (x != y) return false;
    }
    while (size--)
        if (*a++ != *b++) return false;
    return true;
}

UNUSED static u32 text_size(const char *text) {
    u32 size = 0;
    while (text[size]) size++;
    return size;
}

/* --- reading: the message, and answers to questions ---------------------------------------- */

typedef struct {
    const u8 *at, *end;
} Reader;

/* A piece of the message, where it stands. */
typedef struct {
    const u8 *at;
    u32 size;
} Bytes;

typedef enum { KIND_NIL, KIND_BOOL, KIND_INT, KIND_TEXT, KIND_BYTES, KIND_ARRAY } Kind;

UNUSED static const u8 *read_raw(Reader *reader, u32 size) {
    if (size > (u32)(reader->end - reader->at)) give_up();
    const u8 *found = reader->at;
    reader->at += size;
    return found;
}

UNUSED static u64 read_be(Reader *reader, u32 size) {
    const u8 *at = read_raw(reader, size);
    u64 value = 0;
    for (u32 i = 0; i < size; i++) value = value << 8 | at[i];
    return value;
}

UNUSED static bool at_end(const Reader *reader) { return reader->at == reader->end; }

/* What comes next. The message was checked to be of these kinds; anything else gives up. */
UNUSED static Kind next_kind(const Reader *reader) {
    if (at_end(reader)) give_up();
    u8 tag = *reader->at;
    if (tag < 0x80 || tag >= 0xe0 || (tag >= 0xcc && tag <= 0xd3)) return KIND_INT;
    if ((tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd) return KIND_ARRAY;
    if ((tag & 0xe0) == 0xa0 || (tag >= 0xd9 && tag <= 0xdb)) return KIND_TEXT;
    if (tag >= 0xc4 && tag <= 0xc6) return KIND_BYTES;
    if (tag == 0xc2 || tag == 0xc3) return KIND_BOOL;
    if (tag != 0xc0) give_up();
    return KIND_NIL;
}

/* Of an array: how many values follow. */
UNUSED static u32 read_array(Reader *reader) {
    u8 tag = *read_raw(reader, 1);
    if ((tag & 0xf0) == 0x90) return tag & 0x0f;
    if (tag == 0xdc) return (u32)read_be(reader, 2);
    if (tag != 0xdd) give_up();
    return (u32)read_be(reader, 4);
}

/* Integers without sign, up to 2^64 - 1. */
UNUSED static u64 read_uint(Reader *reader) {
    u8 tag = *read_raw(reader, 1);
    if (tag < 0x80) return tag;
    if (tag < 0xcc || tag > 0xcf) give_up();
    return read_be(reader, 1u << (tag - 0xcc));
}

/* Integers with sign; gives up above 2^63 - 1. */
UNUSED static i64 read_int(Reader *reader) {
    if (at_end(reader)) give_up();
    u8 tag = *reader->at;
    if (tag >= 0xe0) return (signed char)*read_raw(reader, 1);
    if (tag == 0xd0) { reader->at++; return (signed char)read_be(reader, 1); }
    if (tag == 0xd1) { reader->at++; return (short)read_be(reader, 2); }
    if (tag == 0xd2) { reader->at++; return (i32)read_be(reader, 4); }
    if (tag == 0xd3) { reader->at++; return (i64)read_be(reader, 8); }
    u64 value = read_uint(reader);
    if (value >> 63) give_up();
    return (i64)value;
}

UNUSED static bool read_bool(Reader *reader) {
    u8 tag = *read_raw(reader, 1);
    if (tag != 0xc2 && tag != 0xc3) give_up();
    return tag == 0xc3;
}

/* Takes a nil, if that is what comes next. */
UNUSED static bool read_nil(Reader *reader) {
    if (at_end(reader)) give_up();
    if (*reader->at != 0xc0) return false;
    reader->at++;
    return true;
}

UNUSED static Bytes read_bytes(Reader *reader) {
    u8 tag = *read_raw(reader, 1);
    if (tag < 0xc4 || tag > 0xc6) give_up();
    u32 size = (u32)read_be(reader, 1u << (tag - 0xc4));
    return (Bytes){read_raw(reader, size), size};
}

UNUSED static Bytes read_text(Reader *reader) {
    u8 tag = *read_raw(reader, 1);
    u32 size;
    if ((tag & 0xe0) == 0xa0) size = tag & 0x1f;
    else if (tag >= 0xd9 && tag <= 0xdb) size = (u32)read_be(reader, 1u << (tag - 0xd9));
    else give_up();
    return (Bytes){read_raw(reader, size), size};
}

/* Bytes of that size; gives up for others. */
UNUSED static const u8 *read_fixed(Reader *reader, u32 size) {
    Bytes found = read_bytes(reader);
    if (found.size != size) give_up();
    return found.at;
}

/* Over one value, whatever is in it. */
UNUSED static void skip_value(Reader *reader) {
    u32 waiting = 1;
    while (waiting--) {
        switch (next_kind(reader)) {
        case KIND_INT: {
            u8 tag = *read_raw(reader, 1);
            if (tag >= 0xcc && tag <= 0xcf) read_raw(reader, 1u << (tag - 0xcc));
            else if (tag >= 0xd0 && tag <= 0xd3) read_raw(reader, 1u << (tag - 0xd0));
            break;
        }
        case KIND_TEXT: read_text(reader); break;
        case KIND_BYTES: read_bytes(reader); break;
        case KIND_ARRAY: waiting += read_array(reader); break;
        default: read_raw(reader, 1); break;
        }
    }
}

UNUSED static bool is_text(Bytes found, const char *text) {
    u32 size = text_size(text);
    return found.size == size && equal(found.at, text, size);
}

/* --- writing ------------------------------------------------------------------------------- */

typedef struct {
    u8 *start;
    u32 size, capacity;
} Writer;

UNUSED static u8 *make_room(Writer *writer, u32 size) {
    if (size > writer->capacity - writer->size) {
        u32 wanted = writer->capacity ? writer->capacity * 2 : 1024;
        while (wanted - writer->size < size) {
            if (wanted > 0x40000000u) give_up();
            wanted *= 2;
        }
        u8 *moved = take_memory(wanted);
        if (writer->size) copy(moved, writer->start, writer->size);
        writer->start = moved;
        writer->capacity = wanted;
    }
    u8 *room = writer->start + writer->size;
    writer->size += size;
    return room;
}

UNUSED static void put_raw(Writer *writer, const void *from, u32 size) {
    copy(make_room(writer, size), from, size);
}

UNUSED static void put_tag(Writer *writer, u8 tag, u64 value, u32 size) {
    u8 *at = make_room(writer, 1 + size);
    *at++ = tag;
    while (size--) *at++ = (u8)(value >> (8 * size));
}

UNUSED static void put_nil(Writer *writer) { put_tag(writer, 0xc0, 0, 0); }

UNUSED static void put_array(Writer *writer, u32 count) {
    if (count < 16) put_tag(writer, (u8)(0x90 | count), 0, 0);
    else if (count < 65536) put_tag(writer, 0xdc, count, 2);
    else put_tag(writer, 0xdd, count, 4);
}

UNUSED static void put_int(Writer *writer, i64 value) {
    if (value >= 0) {
        if (value < 128) put_tag(writer, (u8)value, 0, 0);
        else if (value < 256) put_tag(writer, 0xcc, (u64)value, 1);
        else if (value < 65536) put_tag(writer, 0xcd, (u64)value, 2);
        else if (value < 4294967296ll) put_tag(writer, 0xce, (u64)value, 4);
        else put_tag(writer, 0xcf, (u64)value, 8);
    } else if (value >= -32) put_tag(writer, (u8)value, 0, 0);
    else if (value >= -128) put_tag(writer, 0xd0, (u64)value, 1);
    else if (value >= -32768) put_tag(writer, 0xd1, (u64)value, 2);
    else if (value >= -2147483648ll) put_tag(writer, 0xd2, (u64)value, 4);
    else put_tag(writer, 0xd3, (u64)value, 8);
}

UNUSED static void put_bytes(Writer *writer, const void *from, u32 size) {
    if (size < 256) put_tag(writer, 0xc4, size, 1);
    else if (size < 65536) put_tag(writer, 0xc5, size, 2);
    else put_tag(writer, 0xc6, size, 4);
    put_raw(writer, from, size);
}

UNUSED static void put_text(Writer *writer, const void *from, u32 size) {
    if (size < 32) put_tag(writer, (u8)(0xa0 | size), 0, 0);
    else if (size < 256) put_tag(writer, 0xd9, size, 1);
    else if (size < 65536) put_tag(writer, 0xda, size, 2);
    else put_tag(writer, 0xdb, size, 4);
    put_raw(writer, from, size);
}

UNUSED static void put_string(Writer *writer, const char *text) {
    put_text(writer, text, text_size(text));
}

/* --- the reply: statements with their rows, run in the order in which they were begun -------- */

typedef struct Statement {
    struct Statement *next;
    const char *sql;
    Writer rows;
    u32 count;
} Statement;

typedef struct {
    Statement *first, *last;
    u32 count;
} Reply;

/* A statement of the reply. Its rows may come at any time. */
UNUSED static Statement *statement(Reply *reply, const char *sql) {
    Statement *made = take_memory(sizeof *made);
    made->sql = sql;
    if (reply->last) reply->last->next = made;
    else reply->first = made;
    reply->last = made;
    reply->count++;
    return made;
}

/* Room for rows of so many bytes in all, where that is known before: they are never moved then. */
UNUSED static void expect_rows(Statement *statement, u32 size) {
    make_room(&statement->rows, size);
    statement->rows.size = 0;
}

/* Where the next row's values are put: as many as `value_count`. */
UNUSED static Writer *row(Statement *statement, u32 value_count) {
    statement->count++;
    put_array(&statement->rows, value_count);
    return &statement->rows;
}

/* A statement without values, run once: for `init`. */
UNUSED static void run(Reply *reply, const char *sql) { row(statement(reply, sql), 0); }

/* [code, writes], handed over. Statements without rows are left out. */
UNUSED static i64 hand_over(u32 code, const Reply *reply) {
    Writer out = {0};
    u32 count = 0, size = 16;
    for (const Statement *at = reply->first; at && !code; at = at->next) {
        count += at->count > 0;
        size += at->rows.size + text_size(at->sql) + 16;
    }
    make_room(&out, size);
    out.size = 0;
    put_array(&out, 2);
    put_int(&out, code);
    put_array(&out, count);
    for (const Statement *at = reply->first; at && !code; at = at->next) {
        if (at->count == 0) continue;
        put_array(&out, 2);
        put_string(&out, at->sql);
        put_array(&out, at->count);
        put_raw(&out, at->rows.start, at->rows.size);
    }
    return (i64)((u64)(u32)out.start << 32 | out.size);
}

/* --- questions ----------------------------------------------------------------------------- */

/* A question: its statement and how many values it has, which are then put behind it. */
UNUSED static Writer question(const char *sql, u32 value_count) {
    Writer writer = {0};
    put_array(&writer, 2);
    put_string(&writer, sql);
    put_array(&writer, value_count);
    return writer;
}

/* The rows: an array of arrays. What was applied with `host_exec` is in them, the reply is not.
 * An answer that does not fit is asked for twice. It stands until the next one is asked into the
 * same room. */
UNUSED static Reader ask_into(const Writer *question, Writer *room) {
    for (;;) {
        u64 size =
            (u64)host_query(question->start, question->size, room->start, room->capacity);
        if (size <= room->capacity) return (Reader){room->start, room->start + size};
        room->size = 0;
        make_room(room, (u32)size);
    }
}

UNUSED static Reader ask(const Writer *question) {
    Writer room = {take_memory(4096), 0, 4096};
    return ask_into(question, &room);
}

/* --- amounts: 256 bits without sign, big-endian, so that bytes sort as the numbers do -------- */

typedef struct {
    u8 bytes[32];
} U256;

UNUSED static const U256 U256_ZERO;

UNUSED static U256 u256_read(Reader *reader) {
    U256 found;
    copy(found.bytes, read_fixed(reader, 32), 32);
    return found;
}

UNUSED static U256 u256_from(const u8 *bytes) {
    U256 made;
    copy(made.bytes, bytes, 32);
    return made;
}

UNUSED static U256 u256_of(u64 value) {
    U256 made = {{0}};
    for (u32 i = 0; i < 8; i++) made.bytes[31 - i] = (u8)(value >> (8 * i));
    return made;
}

UNUSED static void u256_put(Writer *writer, U256 value) { put_bytes(writer, value.bytes, 32); }

UNUSED static u64 u256_limb(const U256 *value, u32 place) {
    u64 limb;
    copy(&limb, value->bytes + 8 * place, 8);
    return __builtin_bswap64(limb);
}

UNUSED static void u256_set_limb(U256 *value, u32 place, u64 limb) {
    limb = __builtin_bswap64(limb);
    copy(value->bytes + 8 * place, &limb, 8);
}

/* -1, 0 or 1. */
UNUSED static int u256_compare(U256 one, U256 other) {
    for (u32 i = 0; i < 4; i++) {
        u64 a = u256_limb(&one, i), b = u256_limb(&other, i);
        if (a != b) return a < b ? -1 : 1;
    }
    return 0;
}

UNUSED static bool u256_is_zero(U256 value) { return u256_compare(value, U256_ZERO) == 0; }

/* The sum modulo 2^256; whether it went over. */
UNUSED static bool u256_add_over(U256 *to, U256 amount) {
    u64 carry = 0;
    for (u32 i = 4; i-- > 0;) {
        u64 a = u256_limb(to, i), sum = a + u256_limb(&amount, i), all = sum + carry;
        carry = (sum < a) | (all < sum);
        u256_set_limb(to, i, all);
    }
    return carry;
}

/* The difference modulo 2^256; whether it went under. */
UNUSED static bool u256_sub_under(U256 *from, U256 amount) {
    u64 borrow = 0;
    for (u32 i = 4; i-- > 0;) {
        u64 a = u256_limb(from, i), b = u256_limb(&amount, i), rest = a - b;
        u64 all = rest - borrow;
        borrow = (a < b) | (rest < borrow);
        u256_set_limb(from, i, all);
    }
    return borrow;
}

/* Modulo 2^256, for who knows that it fits or cancels out. */
UNUSED static U256 u256_add(U256 one, U256 other) {
    u256_add_over(&one, other);
    return one;
}

UNUSED static U256 u256_sub(U256 one, U256 other) {
    u256_sub_under(&one, other);
    return one;
}

UNUSED static U256 u256_min(U256 one, U256 other) {
    return u256_compare(one, other) < 0 ? one : other;
}

/* --- what the host calls -------------------------------------------------------------------- */

EXPORT("alloc") void *tally_alloc(u32 size) { return try_take_memory(size); }

#define REDUCER(begin, take)                                                                      \
    EXPORT("init") i64 tally_init(void) {                                                         \
        Reply reply = {0};                                                                        \
        begin(&reply);                                                                            \
        return hand_over(0, &reply);                                                              \
    }                                                                                             \
    EXPORT("reduce") i64 tally_reduce(const u8 *message, u32 size) {                              \
        Reader reader = {message, message + size};                                                \
        Reply reply = {0};                                                                        \
        u32 code = take(&reader, &reply);                                                         \
        return hand_over(code, &reply);                                                           \
    }

/* What the compiler calls for assignments of structures, where it does not spell them out. */
__attribute__((no_builtin)) void *memcpy(void *to, const void *from, unsigned long size) {
    u8 *a = to;
    const u8 *b = from;
    for (unsigned long i = 0; i < size; i++) a[i] = b[i];
    return to;
}

__attribute__((no_builtin)) void *memset(void *to, int value, unsigned long size) {
    u8 *a = to;
    for (unsigned long i = 0; i < size; i++) a[i] = (u8)value;
    return to;
}

#endif
