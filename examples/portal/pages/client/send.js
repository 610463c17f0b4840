// Sealing and sending one deposit: part by part, each file with its own progress.
import * as server from './server.js';
import { parseHex } from './journal.js';

/**
 * @param {import('../docvault-deposit.js').OpenedRequest} request
 * @param {import('./journal.js').Journal} journal
 * @param {{ slot: number, files: File[], form: Record<string, string>, comment: string, entry?: import('./journal.js').Entry }} what
 *   `entry` is the deposit that was interrupted, if there is one
 * @param {(page: number, share: number) => void} progress
 */
export async function send(request, journal, { slot, files, form, comment, entry }, progress) {
  const deposit = entry ? request.resume(parseHex(entry.journal)) : request.begin(slot, files.map(info));
  if (!entry) journal.begin(slot, deposit);
  const held = entry ? (await server.held(request.id, deposit.id)).parts : [];
  const counts = files.map((_, page) => deposit.places().filter((place) => place.page === page).length);
  for await (const part of deposit.parts(files, held)) {
    if (!part.held) await server.sendPart(part.bytes);
    progress(part.page, (part.part + 1) / counts[part.page]);
  }
  const manifest = deposit.finish(form, comment);
  journal.keep(deposit.id, { manifest });
  await complete(deposit, journal, manifest);
}

/** Sends the manifest of a deposit whose parts are there; sent again, it is answered as before. */
export async function complete(deposit, journal, manifest) {
  const promise = await server.sendManifest(manifest);
  deposit.checkPromise(promise, manifest);
  journal.keep(deposit.id, { promise });
}

/** @param {File} file */
const info = (file) => ({ name: file.name, mediaType: file.type, length: file.size });
