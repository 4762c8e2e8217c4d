// Writes files as C: the implementation of backend/assets/assets.h.

const WIDTH = 24;

function numbers(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += WIDTH)
    lines.push("    " + Array.from(bytes.subarray(at, at + WIDTH)).join(",") + ",");
  return lines.join("\n");
}

/** `assets`: [{path, type, bytes, gzip | null, etag, isImmutable}] */
export function writeAssets(assets) {
  const arrays = [];
  const rows = [];
  assets.forEach((asset, i) => {
    arrays.push(`static const unsigned char data_${i}[] = {\n${numbers(asset.bytes)}\n};`);
    if (asset.gzip)
      arrays.push(`static const unsigned char gzip_${i}[] = {\n${numbers(asset.gzip)}\n};`);
    rows.push(
      `    {.path = ${text(asset.path)},\n` +
        `     .content_type = ${text(asset.type)},\n` +
        `     .data = data_${i},\n     .len = sizeof(data_${i}),\n` +
        (asset.gzip ? `     .gzip = gzip_${i},\n     .gzip_len = sizeof(gzip_${i}),\n` : "") +
        `     .etag = ${text(`"${asset.etag}"`)},\n` +
        `     .is_immutable = ${asset.isImmutable ? 1 : 0}},`,
    );
  });
  return `/* Made by frontend/build.mjs; changes here are lost. */
#include "backend/assets/assets.h"

#include <string.h>

${arrays.join("\n\n")}

static const struct asset assets[] = {
${rows.join("\n")}
};

const struct asset *asset_find(const char *path)
{
    for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++)
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    return NULL;
}
`;
}

function text(value) {
  return `"${value.replace(/[\\"]/g, "\\$&")}"`;
}
