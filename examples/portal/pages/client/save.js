// Files that a page hands out: receipts, promises, and what verifies them.
import { element } from './fields.js';
import * as server from './server.js';
import { words } from './words.js';

/** A button that saves. @param {string} word @param {string} what @param {string} name @param {() => Uint8Array | Promise<Uint8Array>} bytes */
export function save(word, what, name, bytes) {
  const button = element('button', { type: 'button', 'data-save': what }, word);
  button.addEventListener('click', async () => download(name, await bytes()));
  return button;
}

function download(name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  element('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** What every receipt of a request is verified with. @param {Uint8Array} descriptor @param {string} policy */
export const evidence = (descriptor, policy) => element('details', { class: 'evidence' },
  element('summary', {}, words.evidence), element('p', { class: 'hint' }, words.evidenceHint),
  element('div', { class: 'actions' },
    save(words.request, 'request', 'request.descriptor', () => descriptor),
    save(words.policy, 'policy', 'office.policy', () => new TextEncoder().encode(policy)),
    save(words.office, 'office', 'office.sender', server.office)));
