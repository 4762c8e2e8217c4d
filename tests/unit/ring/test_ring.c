/* The shared layout, the writer's room and the reader's distrust. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/ring/reader.h"
#include "collector/ring/writer.h"

static struct ring_region *region;
static struct error err;
static const struct ring_options small = {
    .mode = RING_EXACT, .records = 256, .nodes = 256, .definition_bytes = 4096};

/* An agent's view: another mapping of the same memory, through the path it would be given. */
static uint8_t *map_as_agent(uint64_t offset, uint64_t len)
{
    FILE *file = fopen(ring_region_path(region), "r+");
    cr_assert_not_null(file);
    void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), (off_t)offset);
    fclose(file);
    cr_assert_neq(map, MAP_FAILED);
    return map;
}

static void setup(void)
{
    cr_assert_eq(ring_region_open(&region, &small, &err), STATUS_OK, "%s", err.text);
}

static void teardown(void)
{
    ring_region_close(region);
}

TestSuite(ring, .init = setup, .fini = teardown);

Test(ring, parts_never_overlap)
{
    const struct ring_control *c = ring_region_control(region);
    cr_assert_geq(c->process_offset, sizeof(*c));
    cr_assert_geq(c->thread_offset, c->process_offset + c->processes * sizeof(struct ring_process));
    cr_assert_geq(c->definition_offset, c->thread_offset + c->threads * sizeof(struct ring_thread));
    cr_assert_geq(c->data_offset, c->definition_offset + c->processes * c->definition_bytes);
    cr_assert_eq(ring_data_offset(c, 1) - ring_data_offset(c, 0), ring_data_bytes(c));
    cr_assert_eq(ring_data_offset(c, c->threads), c->total_bytes);
}

Test(ring, a_record_keeps_address_kind_and_domain)
{
    uint64_t address = UINT64_C(0x00ffffffffffff);
    uint64_t word = ring_word(RING_UNMAP, RING_DOMAIN_MMAP, address);
    cr_assert_eq(ring_address_of(word), address);
    cr_assert_eq(ring_kind_of(word), RING_UNMAP);
    cr_assert_eq(ring_domain_of(word), RING_DOMAIN_MMAP);
}

Test(ring, a_wiped_writer_has_no_room)
{
    struct ring_writer w;
    memset(&w, 0, sizeof(w));
    cr_assert_not(ring_writer_has_room(&w));
}

Test(ring, what_is_put_is_read_once_it_is_published)
{
    struct ring_reader reader;
    struct ring_writer writer;
    const struct ring_control *c = ring_region_control(region);
    uint8_t *data = map_as_agent(ring_data_offset(c, 3), ring_data_bytes(c));
    cr_assert_eq(ring_reader_open(&reader, region, 3), STATUS_OK);
    ring_writer_init(&writer, ring_region_thread(region, 3), (struct ring_record *)(void *)data,
                     c->records);

    ring_writer_put(&writer, ring_word(RING_ALLOC, RING_DOMAIN_OBJECT, 0x1000), 42, 7);
    cr_assert_eq(ring_reader_head(&reader), 0);
    ring_writer_publish(&writer);

    cr_assert_eq(ring_reader_head(&reader), 1);
    const struct ring_record *r = ring_reader_at(&reader, 0);
    cr_assert_eq(ring_address_of(r->word), 0x1000);
    cr_assert_eq(r->size, 42);
    cr_assert_eq(r->stack, 7);
    ring_reader_close(&reader, region);
    munmap(data, ring_data_bytes(c));
}

Test(ring, is_full_while_one_event_still_fits_and_goes_on_after_reading)
{
    struct ring_reader reader;
    struct ring_writer writer;
    const struct ring_control *c = ring_region_control(region);
    uint8_t *data = map_as_agent(ring_data_offset(c, 0), ring_data_bytes(c));
    cr_assert_eq(ring_reader_open(&reader, region, 0), STATUS_OK);
    ring_writer_init(&writer, ring_region_thread(region, 0), (struct ring_record *)(void *)data,
                     c->records);
    uint64_t written = 0;
    for (uint64_t read = 0; read < 10000;) {
        while (ring_writer_has_room(&writer))
            ring_writer_put(&writer, ring_word(RING_FREE, RING_DOMAIN_OBJECT, written++), 0, 0);
        ring_writer_publish(&writer);
        cr_assert_leq(writer.head - read, c->records - RING_SPARE);
        cr_assert_not(ring_writer_refresh(&writer));
        for (; read < ring_reader_head(&reader); read++)
            cr_assert_eq(ring_address_of(ring_reader_at(&reader, read)->word), read);
        ring_reader_advance(&reader, read);
        cr_assert(ring_writer_refresh(&writer));
    }
    ring_reader_close(&reader, region);
    munmap(data, ring_data_bytes(c));
}

Test(ring, a_head_that_cannot_be_is_taken_for_nothing_new)
{
    struct ring_reader reader;
    cr_assert_eq(ring_reader_open(&reader, region, 0), STATUS_OK);
    atomic_store(&ring_region_thread(region, 0)->head, 257); /* more than a ring's length */
    cr_assert_eq(ring_reader_head(&reader), 0);
    atomic_store(&ring_region_thread(region, 0)->head, UINT64_MAX); /* behind the tail */
    cr_assert_eq(ring_reader_head(&reader), 0);
    ring_reader_close(&reader, region);
}

Test(ring, a_node_must_come_after_its_parent)
{
    struct ring_reader reader;
    struct ring_node node;
    const struct ring_control *c = ring_region_control(region);
    uint8_t *data = map_as_agent(ring_data_offset(c, 0), ring_data_bytes(c));
    struct ring_node *nodes = (struct ring_node *)(void *)(data + ring_ring_bytes(c));
    nodes[5].parent = 4;
    nodes[6].parent = 6;
    nodes[7].parent = 200;
    cr_assert_eq(ring_reader_open(&reader, region, 0), STATUS_OK);
    cr_assert(ring_reader_node(&reader, 5, &node));
    cr_assert_not(ring_reader_node(&reader, 6, &node));
    cr_assert_not(ring_reader_node(&reader, 7, &node));
    cr_assert_not(ring_reader_node(&reader, 0, &node));
    cr_assert_not(ring_reader_node(&reader, 256, &node));
    ring_reader_close(&reader, region);
    munmap(data, ring_data_bytes(c));
}

Test(ring, a_definition_must_lie_within_its_area)
{
    const struct ring_control *c = ring_region_control(region);
    uint8_t *area = map_as_agent(ring_definition_offset(c, 2), c->definition_bytes);
    const uint8_t *seen = ring_map_definitions(region, 2);
    struct ring_code *d = (struct ring_code *)(void *)(area + RING_DEFINITION_UNIT);
    *d = (struct ring_code){.address = 1, .bytes = sizeof(*d) + 16, .chunks = 1};
    d->chunk[0] = (struct ring_chunk){.address = 64, .offset = sizeof(*d), .len = 16};
    cr_assert_not_null(ring_definition(region, seen, 1));

    cr_assert_null(ring_definition(region, seen, 0));
    cr_assert_null(ring_definition(region, seen, 4096 / RING_DEFINITION_UNIT));
    cr_assert_null(ring_definition(region, seen, UINT32_MAX));
    d->chunk[0].len = 17;
    cr_assert_null(ring_definition(region, seen, 1), "a chunk past the definition's end");
    d->chunk[0] = (struct ring_chunk){.address = UINT64_MAX - 3, .offset = 0, .len = 16};
    cr_assert_null(ring_definition(region, seen, 1), "a chunk past the last address");
    d->chunks = RING_MAX_CHUNKS + 1;
    cr_assert_null(ring_definition(region, seen, 1));
    d->chunks = 0;
    d->bytes = 4096;
    cr_assert_null(ring_definition(region, seen, 1), "a definition past the area's end");
    ring_unmap_definitions(region, seen);
    munmap(area, c->definition_bytes);
}

Test(ring, a_slot_given_back_is_empty_again)
{
    const struct ring_control *c = ring_region_control(region);
    struct ring_thread *t = ring_region_thread(region, 1);
    uint8_t *data = map_as_agent(ring_data_offset(c, 1), ring_data_bytes(c));
    memset(data, 0xee, ring_data_bytes(c));
    atomic_store(&t->state, RING_SLOT_READY);
    atomic_store(&t->head, 99);
    atomic_store(&t->lost_frees, 3);
    ring_release_thread(region, 1);
    cr_assert_eq(atomic_load(&t->state), RING_SLOT_FREE);
    cr_assert_eq(atomic_load(&t->head), 0);
    cr_assert_eq(atomic_load(&t->lost_frees), 0);
    for (uint64_t i = 0; i < ring_data_bytes(c); i++)
        cr_assert_eq(data[i], 0);
    munmap(data, ring_data_bytes(c));
}

Test(ring_options, sizes_that_are_no_powers_of_two_are_refused)
{
    struct ring_region *r = NULL;
    struct ring_options odd = small;
    odd.records = 300;
    cr_assert_eq(ring_region_open(&r, &odd, &err), STATUS_USAGE);
    odd = small;
    odd.definition_bytes = 5000;
    cr_assert_eq(ring_region_open(&r, &odd, &err), STATUS_USAGE);
    cr_assert_null(r);
}
