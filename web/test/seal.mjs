// Seals deposits with fresh randomness to the request of the vectors, for the crate to open: seal.mjs FILE
import { writeFileSync } from 'node:fs';
import { openRequest } from '../docvault-deposit.js';
import { hex, parseHex } from '../lib/bytes.js';
import { options, pattern, plain } from './vectors.mjs';

const request = await openRequest(parseHex(plain.descriptor), plain.url, options(plain));

async function seal(slot, lengths, form, comment) {
  const files = lengths.map((length, i) => ({ name: `foto ${i}.png`, mediaType: 'image/png', length }));
  const deposit = request.begin(slot, files);
  const blobs = lengths.map((length, page) => new Blob([pattern(page, length)]));
  const parts = [];
  for await (const { bytes } of deposit.parts(blobs)) parts.push(hex(bytes));
  return { slot, lengths, form, comment, parts, manifest: hex(deposit.finish(form, comment)) };
}

const part = 512 * 1024;
const deposits = [
  await seal(0, [1], { rfc: 'PEJU850101AB1', '\u{ffff}': 'a', '\u{10000}': 'b' }, 'uno'),
  await seal(0, [0, part], {}, ''),
  await seal(0, [part + 1, 2 * part - 1], { '': '' }, 'ñ'),
  await seal(0, [3 << 20], {}, ''),
  await seal(1, [], { ingresos: '20000' }, 'sin archivos'),
];
writeFileSync(process.argv[2], JSON.stringify({ deposits }));
