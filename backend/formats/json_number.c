#include "backend/formats/json_number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A decimal as written: digits * 10^exponent. */
struct decimal {
    uint64_t digits;
    int64_t exponent;
    bool is_negative;
    bool is_whole; /* no fraction, no exponent */
    bool is_exact; /* all digits that count are in `digits` */
};

static bool is_digit(const uint8_t *at, const uint8_t *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* Takes digits while they fit; what does not fit only moves the exponent. */
static const uint8_t *take_digits(const uint8_t *at, const uint8_t *end, struct decimal *d,
                                  bool is_fraction)
{
    for (; is_digit(at, end); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (d->is_exact && d->digits <= (UINT64_MAX - digit) / 10) {
            d->digits = d->digits * 10 + digit;
            d->exponent -= is_fraction;
        } else {
            d->is_exact = false;
            d->exponent += !is_fraction;
        }
    }
    return at;
}

static const uint8_t *scan(const uint8_t *at, const uint8_t *end, struct decimal *d)
{
    *d = (struct decimal){.is_whole = true, .is_exact = true};
    if (at < end && *at == '-') {
        d->is_negative = true;
        at++;
    }
    if (!is_digit(at, end))
        return NULL;
    if (*at == '0' && is_digit(at + 1, end))
        return NULL;
    at = take_digits(at, end, d, false);
    if (at < end && *at == '.') {
        d->is_whole = false;
        if (!is_digit(++at, end))
            return NULL;
        at = take_digits(at, end, d, true);
    }
    if (at < end && (*at | 0x20) == 'e') {
        d->is_whole = false;
        at++;
        bool is_negative = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        if (!is_digit(at, end))
            return NULL;
        int64_t exponent = 0;
        for (; is_digit(at, end); at++) {
            if (exponent < 100000000)
                exponent = exponent * 10 + (*at - '0');
        }
        d->exponent += is_negative ? -exponent : exponent;
    }
    return at;
}

/* One multiplication or division of exact values rounds once, so the result is the nearest. In 80
 * bits that holds for 19 digits, and rounding once more to 53 is right too unless the 80-bit value
 * stands within one unit of the middle between two doubles. */
#if LDBL_MANT_DIG == 64 && FLT_EVAL_METHOD == 0
enum { EXACT_POWERS = 27 }; /* 10^27 = 5^27 * 2^27, and 5^27 has 63 bits */
static const long double powers[EXACT_POWERS + 1] = {
    1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
    1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
    1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

static bool round_exactly(const struct decimal *d, double *out)
{
    if (!d->is_exact || d->exponent < -EXACT_POWERS || d->exponent > EXACT_POWERS)
        return false;
    long double wide = (long double)d->digits;
    wide = d->exponent < 0 ? wide / powers[-d->exponent] : wide * powers[d->exponent];
    uint64_t mantissa;
    memcpy(&mantissa, &wide, sizeof(mantissa));
    uint64_t below = mantissa & 0x7ff;
    if (below >= 0x3ff && below <= 0x401)
        return false;
    *out = (double)wide; /* 10^-27 .. 2^64 * 10^27: never subnormal, never infinite */
    return true;
}
#else
enum { EXACT_POWERS = 22 };
static const double powers[EXACT_POWERS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool round_exactly(const struct decimal *d, double *out)
{
    if (!d->is_exact || d->exponent < -EXACT_POWERS || d->exponent > EXACT_POWERS ||
        d->digits > (uint64_t)1 << 53)
        return false;
    double value = (double)d->digits;
    *out = d->exponent < 0 ? value / powers[-d->exponent] : value * powers[d->exponent];
    return true;
}
#endif

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The rare rest. Digits beyond 800 cannot change the nearest double except as "a bit more". */
static double round_slowly(const uint8_t *at, size_t len)
{
    char text[1024];
    size_t n = len < sizeof(text) ? len : sizeof(text) - 1;
    char *big = len < sizeof(text) ? NULL : malloc(len + 1);
    char *copy = big ? big : text;
    if (big)
        n = len;
    memcpy(copy, at, n);
    copy[n] = 0;
    pthread_once(&locale_once, make_locale);
    double value = c_locale ? strtod_l(copy, NULL, c_locale) : strtod(copy, NULL);
    free(big);
    return value;
}

const uint8_t *json_number_parse(const uint8_t *at, const uint8_t *end, struct json_number *out)
{
    struct decimal d;
    const uint8_t *behind = scan(at, end, &d);
    if (!behind)
        return NULL;
    *out = (struct json_number){0};
    uint64_t limit = (uint64_t)INT64_MAX + d.is_negative;
    if (d.is_whole && d.is_exact && d.digits <= limit) {
        out->is_integer = true;
        out->i64 = d.is_negative ? (int64_t)(0 - d.digits) : (int64_t)d.digits;
        /* a cast rounds to nearest, and keeps the sign of -0 out: JSON's -0 is the integer 0 */
        out->f64 = (double)out->i64;
        return behind;
    }
    double value;
    if (round_exactly(&d, &value))
        out->f64 = d.is_negative ? -value : value;
    else
        out->f64 = round_slowly(at, (size_t)(behind - at));
    return behind;
}
