// The page that a link opens: gets the request, opens it with what stands behind the link's "#", shows its cards.
import { DepositError, asksPassphrase, openRequest } from '../docvault-deposit.js';
import { Card } from './card.js';
import { element, labelled } from './fields.js';
import { Journal } from './journal.js';
import { evidence } from './save.js';
import * as server from './server.js';
import { moment, text, words } from './words.js';

const root = document.getElementById('request');
// The other language is the same page: the link goes along, within the browser.
for (const link of document.querySelectorAll('[data-tongue]')) link.hash = location.hash;
if (root) start(root).catch((error) => fail(root, error));

async function start(root) {
  const descriptor = await server.descriptor(root.dataset.request);
  if (!asksPassphrase(descriptor)) return show(root, await open(descriptor));
  askPassphrase(root, descriptor);
}

const open = (descriptor, passphrase) =>
  openRequest(descriptor, location.href, { now: Date.now(), passphrase }).then((request) => ({ request, descriptor }));

function askPassphrase(root, descriptor) {
  const input = element('input', { id: 'passphrase', type: 'password', required: true, autocomplete: 'off' });
  const problem = element('p', { class: 'problem', role: 'alert' });
  const button = element('button', { class: 'primary' }, words.open);
  const form = element('form', { class: 'card' }, labelled(words.passphrase, '', 'passphrase', input), problem, button);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    [button.disabled, button.textContent, problem.textContent] = [true, words.opening, ''];
    try {
      show(root, await open(descriptor, input.value.trim().normalize('NFC')));
    } catch (error) {
      if (error.code !== 'locked') return fail(root, error);
      [button.disabled, button.textContent, problem.textContent] = [false, words.open, words.problems.locked];
      input.select();
    }
  });
  root.replaceChildren(form);
  root.removeAttribute('aria-busy');
  input.focus();
}

function show(root, { request, descriptor }) {
  const shown = JSON.parse(new TextDecoder().decode(request.presentation));
  const journal = new Journal(request.id);
  const cards = request.slots.map((slot, number) => {
    const requirement = shown.requirements.find((one) => one.key === slot.requirement);
    return new Card({ request, journal, slot, number, requirement, shown });
  });
  const required = cards.filter((card) => card.isRequired);
  const others = cards.filter((card) => !card.isRequired).sort((a, b) => Number(b.isConditional) - Number(a.isConditional));
  const summary = element('p', { role: 'status', class: 'summary' });
  const bar = element('progress', { max: required.length || 1, 'aria-label': words.progress });
  const count = () => {
    const done = required.filter((card) => card.isHandedIn).length;
    summary.textContent = words.done(done, required.length);
    bar.value = done;
  };
  root.replaceChildren(
    element('h1', {}, text(shown.title, shown.language)),
    element('p', { class: 'lead' }, request.expired ? words.problems.expired : words.lead(moment(request.expires))),
    element('div', { class: 'progress' }, bar, summary),
    ...required.map((card) => card.root),
    ...group(others),
    evidence(descriptor, request.policy),
  );
  root.removeAttribute('aria-busy');
  cards.forEach((card) => card.addEventListener('change', count));
  count();
  Promise.all(cards.map((card) => card.refresh())).then(() => required.find((card) => !card.isHandedIn)?.open());
  // Answers come when the office is at work.
  const refresh = () => { if (!document.hidden) cards.forEach((card) => card.refresh()); };
  setInterval(refresh, 5000);
  document.addEventListener('visibilitychange', refresh);
  addEventListener('beforeunload', (event) => { if (cards.some((card) => card.isSending)) event.preventDefault(); });
}

/** What is asked only of some is out of the way, until it is looked for. */
function group(cards) {
  if (cards.length === 0) return [];
  const summary = element('summary', {}, words.others(cards.length));
  return [element('details', { class: 'others' }, summary, ...cards.map((card) => card.root))];
}

function fail(root, error) {
  const { problems } = words;
  const known = { invalid: problems.link, corrupt: problems.corrupt, locked: problems.corrupt, expired: problems.expired };
  const message = error instanceof DepositError ? known[error.code] : problems.failed;
  root.replaceChildren(element('p', { class: 'alert', role: 'alert' }, message ?? problems.failed));
  root.removeAttribute('aria-busy');
}
