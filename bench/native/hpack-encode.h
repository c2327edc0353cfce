/*
 * An HPACK encoder (RFC 7541) as common clients have one: Huffman where it is shorter, incremental indexing, a table of
 * 4096 bytes. Fields that come with every request are indexed the first time and then one byte each; fields with a new
 * value each time are indexed too (Go and nghttp2 do so), which pushes the others out again and again.
 */
#ifndef HPACK_ENCODE_H
#define HPACK_ENCODE_H
#include <stdint.h>
#include <string.h>

enum { TABLE_BYTES = 4096, TABLE_ENTRIES = TABLE_BYTES / 32, STATIC_ENTRIES = 61 };

/* A dynamic table, by insertion numbers counted from 1: what it holds of older ones is `first` to `last`. */
struct table {
  uint64_t first, last;
  uint32_t bytes;
  uint16_t sizes[TABLE_ENTRIES];
};

/* A field name, and where the table holds it: `entry` with this value, `named` with any. 0: nowhere. */
struct field {
  const char *name;
  unsigned static_name; /* index of the name in the static table, or 0 */
  uint64_t entry, named;
};

/* Codes of Appendix B for 0x20 to 0x7e. */
static const struct {
  uint32_t code;
  uint8_t bits;
} huffman_codes[] = {
    {0x14, 6}, {0x3f8, 10}, {0x3f9, 10}, {0xffa, 12}, {0x1ff9, 13}, {0x15, 6}, {0xf8, 8}, {0x7fa, 11}, {0x3fa, 10},
    {0x3fb, 10}, {0xf9, 8}, {0x7fb, 11}, {0xfa, 8}, {0x16, 6}, {0x17, 6}, {0x18, 6}, {0x0, 5}, {0x1, 5}, {0x2, 5},
    {0x19, 6}, {0x1a, 6}, {0x1b, 6}, {0x1c, 6}, {0x1d, 6}, {0x1e, 6}, {0x1f, 6}, {0x5c, 7}, {0xfb, 8}, {0x7ffc, 15},
    {0x20, 6}, {0xffb, 12}, {0x3fc, 10}, {0x1ffa, 13}, {0x21, 6}, {0x5d, 7}, {0x5e, 7}, {0x5f, 7}, {0x60, 7}, {0x61, 7},
    {0x62, 7}, {0x63, 7}, {0x64, 7}, {0x65, 7}, {0x66, 7}, {0x67, 7}, {0x68, 7}, {0x69, 7}, {0x6a, 7}, {0x6b, 7},
    {0x6c, 7}, {0x6d, 7}, {0x6e, 7}, {0x6f, 7}, {0x70, 7}, {0x71, 7}, {0x72, 7}, {0xfc, 8}, {0x73, 7}, {0xfd, 8},
    {0x1ffb, 13}, {0x7fff0, 19}, {0x1ffc, 13}, {0x3ffc, 14}, {0x22, 6}, {0x7ffd, 15}, {0x3, 5}, {0x23, 6}, {0x4, 5},
    {0x24, 6}, {0x5, 5}, {0x25, 6}, {0x26, 6}, {0x27, 6}, {0x6, 5}, {0x74, 7}, {0x75, 7}, {0x28, 6}, {0x29, 6},
    {0x2a, 6}, {0x7, 5}, {0x2b, 6}, {0x76, 7}, {0x2c, 6}, {0x8, 5}, {0x9, 5}, {0x2d, 6}, {0x77, 7}, {0x78, 7},
    {0x79, 7}, {0x7a, 7}, {0x7b, 7}, {0x7ffe, 15}, {0x7fc, 11}, {0x3ffd, 14}, {0x1ffd, 13}};

static uint8_t *put_integer(uint8_t *at, uint8_t pattern, unsigned prefix_bits, uint64_t value) {
  uint64_t limit = (1u << prefix_bits) - 1;
  if (value < limit) {
    *at++ = (uint8_t)(pattern | value);
    return at;
  }
  *at++ = (uint8_t)(pattern | limit);
  for (value -= limit; value >= 128; value >>= 7) *at++ = (uint8_t)(value | 128);
  *at++ = (uint8_t)value;
  return at;
}

/* A string of printable ASCII. */
static uint8_t *put_string(uint8_t *at, const char *text) {
  size_t length = strlen(text), bits = 0;
  for (size_t i = 0; i < length; i++) bits += huffman_codes[text[i] - 0x20].bits;
  size_t coded = (bits + 7) / 8;
  if (coded >= length) {
    at = put_integer(at, 0, 7, length);
    memcpy(at, text, length);
    return at + length;
  }
  at = put_integer(at, 0x80, 7, coded);
  uint64_t pending = 0;
  unsigned pending_bits = 0;
  for (size_t i = 0; i < length; i++) {
    unsigned count = huffman_codes[text[i] - 0x20].bits;
    pending = pending << count | huffman_codes[text[i] - 0x20].code;
    for (pending_bits += count; pending_bits >= 8; pending_bits -= 8) *at++ = (uint8_t)(pending >> (pending_bits - 8));
  }
  if (pending_bits > 0) *at++ = (uint8_t)(pending << (8 - pending_bits) | 0xff >> pending_bits);
  return at;
}

static uint64_t insert(struct table *table, size_t bytes) {
  if (table->first == 0) table->first = 1;
  while (table->bytes + bytes > TABLE_BYTES) table->bytes -= table->sizes[table->first++ % TABLE_ENTRIES];
  table->bytes += (uint32_t)bytes;
  table->last++;
  table->sizes[table->last % TABLE_ENTRIES] = (uint16_t)bytes;
  return table->last;
}

static inline uint64_t index_of(const struct table *table, uint64_t entry) {
  return entry != 0 && entry >= table->first ? STATIC_ENTRIES + 1 + table->last - entry : 0;
}

/* Writes a field; `constant`: its value is the same each time. Returns the end. */
static uint8_t *put_field(uint8_t *at, struct table *table, struct field *field, const char *value, int constant) {
  uint64_t index = constant ? index_of(table, field->entry) : 0;
  if (index != 0) return put_integer(at, 0x80, 7, index);
  uint64_t name = field->static_name != 0 ? field->static_name : index_of(table, field->named);
  at = put_integer(at, 0x40, 6, name);
  if (name == 0) at = put_string(at, field->name);
  at = put_string(at, value);
  field->entry = field->named = insert(table, strlen(field->name) + strlen(value) + 32);
  return at;
}

/* Writes a field that no table is to keep, as clients do with :path. */
static uint8_t *put_literal(uint8_t *at, const struct field *field, const char *value) {
  at = put_integer(at, 0, 4, field->static_name);
  if (field->static_name == 0) at = put_string(at, field->name);
  return put_string(at, value);
}
#endif
