// One requirement: what is asked, what was chosen, how it stands, and its receipts.
import { DepositError } from '../docvault-deposit.js';
import { COMMENT, answers, controls, element, labelled } from './fields.js';
import { parseHex } from './journal.js';
import { save } from './save.js';
import { complete, send } from './send.js';
import * as server from './server.js';
import { moment, size, text, words } from './words.js';

export class Card extends EventTarget {
  #given;
  /** @type {File[]} */
  #files = [];
  #parts;
  /** How the newest deposit stands. */
  #state = { name: 'none' };
  #isOpen = false;
  isSending = false;

  constructor(given) {
    super();
    this.#given = given;
    const { requirement, number } = given;
    const id = `card-${number}`;
    const chip = element('span', { class: 'chip' });
    const status = element('p', { class: 'standing', role: 'status' });
    const receipts = element('span');
    const list = element('ul', { class: 'chosen' });
    const problem = element('p', { class: 'problem', role: 'alert' });
    const button = element('button', { class: 'primary' });
    const over = element('button', { type: 'button' }, words.startOver);
    const opener = element('button', { type: 'button', class: 'opener', 'aria-expanded': 'false', 'aria-controls': `${id}-body` });
    const comment = element('textarea', { id: `${id}-comment`, name: COMMENT, maxlength: 1000, rows: 2 });
    const form = element('form', {},
      ...controls(requirement, this.#fallback, id), ...this.#pickers(id), list,
      element('details', {}, element('summary', {}, words.comment), labelled(words.comment, '', comment.id, comment)),
      problem, element('div', { class: 'actions' }, button, over));
    const body = element('div', { id: `${id}-body` }, element('p', {}, text(requirement.instructions, this.#fallback)), form);
    this.#parts = { chip, status, receipts, list, problem, button, over, opener, comment, form, body };
    this.root = element('section', { class: 'card requirement', 'aria-labelledby': id, 'data-requirement': requirement.key },
      element('header', {}, element('h2', { id }, text(requirement.title, this.#fallback)), chip),
      element('p', { class: 'hint' }, this.#facts()), status, element('div', { class: 'actions' }, opener, receipts), body);
    form.addEventListener('submit', (event) => { event.preventDefault(); this.#submit(); });
    over.addEventListener('click', () => this.#startOver());
    opener.addEventListener('click', () => { this.#isOpen = !this.#isOpen; this.#render(); if (this.#isOpen) this.#focus(); });
    server.connection.addEventListener('lost', () => { if (this.isSending) status.textContent = words.waiting; });
    this.#render();
  }

  /** Shows the form. */
  open() {
    this.#isOpen = true;
    this.#render();
  }

  get number() { return this.#given.number; }
  get isConditional() { return this.#given.requirement.required_if !== undefined; }
  get isRequired() { return !this.isConditional && this.#given.requirement.required !== false; }
  get isHandedIn() { return ['promised', 'accepted', 'approved'].includes(this.#state.name); }
  get #fallback() { return this.#given.shown.language; }
  get #entries() { return this.#given.journal.of(this.number); }

  /** What the requirement takes: its slot has the caps of the widest one of the request, so that the carrier cannot tell them apart. */
  get #limits() {
    const { requirement: { files }, slot } = this.#given;
    if (!files) return { fewest: 0, most: 0, bytes: 0 };
    return { fewest: slot.fewestFiles, most: files.max ?? slot.fewestFiles, bytes: files.max_bytes };
  }

  #facts() {
    const { shown } = this.#given;
    const { fewest, most, bytes } = this.#limits;
    const facts = [this.isRequired ? words.required : this.isConditional ? this.#condition(shown) : words.optional];
    if (most > 0) facts.push(`${words.files(fewest, most)}, ${words.upTo(size(bytes), most)}`);
    return facts.join(' · ');
  }

  #condition(shown) {
    const { requirement: key, field: name, is } = this.#given.requirement.required_if;
    const field = shown.requirements.find((one) => one.key === key)?.fields?.find((one) => one.key === name);
    if (!field) return words.optional;
    const known = { true: words.yes, false: words.no };
    const answer = (value) => known[value] ?? text(field.choices?.find((one) => one.key === value)?.title, this.#fallback);
    return words.only(text(field.title, this.#fallback), is.map(answer).join(', '));
  }

  /** A file input, and a camera where one is at hand. */
  #pickers(id) {
    const { slot } = this.#given;
    const { most } = this.#limits;
    if (most === 0) return [];
    const several = most > 1;
    const accept = slot.mediaTypes.join(',');
    const pickers = [this.#picker(`${id}-file`, several ? words.chooseFiles : words.chooseFile, { accept, multiple: several })];
    const photographs = slot.mediaTypes.length === 0 || slot.mediaTypes.some((type) => type.startsWith('image/'));
    if (photographs && matchMedia('(pointer: coarse)').matches) {
      pickers.push(this.#picker(`${id}-photo`, words.takePhoto, { accept: 'image/*', capture: 'environment' }));
    }
    return [element('div', { class: 'pickers' }, ...pickers)];
  }

  #picker(id, word, attributes) {
    const input = element('input', { id, type: 'file', class: 'hidden', ...attributes });
    input.addEventListener('change', () => {
      const { most } = this.#limits;
      this.#files = most === 1 ? [...input.files].slice(0, 1) : [...this.#files, ...input.files];
      input.value = '';
      this.#parts.problem.textContent = '';
      this.#renderFiles();
    });
    return element('label', { class: 'button picker', for: id }, input, word);
  }

  /** Why what was chosen cannot be sent, if so. */
  #problem() {
    const { slot } = this.#given;
    const { problems } = words;
    const type = (file) => slot.mediaTypes.length === 0 || slot.mediaTypes.some((taken) =>
      taken === file.type || (taken.endsWith('/*') && file.type.startsWith(taken.slice(0, -1))));
    const { fewest, most, bytes } = this.#limits;
    if (this.#files.length < fewest || this.#files.length > most) return problems.count(fewest, most);
    for (const file of this.#files) {
      if (file.size > bytes) return problems.large(file.name, size(bytes));
      if (file.size === 0) return problems.empty(file.name);
      if (!type(file)) return problems.type(file.name);
    }
    return undefined;
  }

  async #submit() {
    const { request, journal } = this.#given;
    const { form, comment, problem } = this.#parts;
    problem.textContent = this.#problem() ?? '';
    if (problem.textContent !== '' || this.isSending) return;
    const what = { slot: this.number, files: this.#files, form: answers(form), comment: comment.value, entry: this.#interrupted() };
    this.#set({ name: 'sending' });
    try {
      await send(request, journal, what, (page, share) => this.#progress(page, share));
      this.#files = [];
      this.#isOpen = false;
      form.reset();
    } catch (error) {
      problem.textContent = this.#reason(error);
    }
    this.#set({ name: 'none' });
    await this.refresh();
  }

  #reason(error) {
    const { problems } = words;
    if (error instanceof server.Refused) return problems[error.refusal] ?? problems.failed;
    if (error instanceof DepositError) return problems[error.code] ?? error.message;
    return problems.failed;
  }

  #interrupted() {
    const newest = this.#entries.at(-1);
    return newest && !newest.promise && !newest.manifest ? newest : undefined;
  }

  #startOver() {
    const interrupted = this.#interrupted();
    if (interrupted) this.#given.journal.forget(interrupted.deposit);
    this.#files = [];
    this.#parts.problem.textContent = '';
    this.#set({ name: 'none' });
    this.refresh();
  }

  /** Looks how the newest deposit stands, and finishes it if only its last message was lost. */
  async refresh() {
    const entry = this.#entries.at(-1);
    if (!entry || this.isSending) return;
    try {
      const deposit = this.#given.request.resume(parseHex(entry.journal));
      if (entry.manifest && !entry.promise) await complete(deposit, this.#given.journal, parseHex(entry.manifest));
      if (!entry.promise) return this.#set({ name: 'begun', files: deposit.files });
      const promise = deposit.checkPromise(parseHex(entry.promise), parseHex(entry.manifest));
      const held = await server.held(this.#given.request.id, deposit.id);
      const answers = held.answers.map((answer, number) => deposit.openAnswer(answer, number));
      // The office's order, whatever the carrier's.
      this.#set(standing(promise, answers.sort((one, other) => one.time - other.time)));
    } catch (error) {
      if (!(error instanceof TypeError)) this.#parts.problem.textContent = this.#reason(error);
    }
  }

  #set(state) {
    const before = JSON.stringify([this.#state.name, this.#state.answers?.length]);
    this.#state = state;
    this.isSending = state.name === 'sending';
    if (before !== JSON.stringify([state.name, state.answers?.length])) this.#render();
    this.dispatchEvent(new Event('change'));
  }

  #render() {
    const { chip, status, receipts, button, over, opener, form, body } = this.#parts;
    const { name } = this.#state;
    chip.className = `chip ${name}`;
    chip.textContent = words.chips[name];
    this.root.dataset.state = name;
    status.textContent = sentence(this.#state);
    receipts.replaceChildren(...this.#saved());
    body.hidden = !this.#isOpen && !this.isSending;
    opener.hidden = this.isSending || name === 'approved' || name === 'quarantined';
    opener.textContent = this.#isOpen ? words.close : words.openers[name] ?? words.replace;
    opener.setAttribute('aria-expanded', String(this.#isOpen));
    button.textContent = name === 'begun' ? words.goOn : words.send;
    for (const control of form.elements) control.disabled = this.isSending;
    over.hidden = name !== 'begun';
    for (const pickers of form.querySelectorAll('.pickers')) pickers.hidden = this.isSending;
    this.#renderFiles();
  }

  #renderFiles() {
    const sides = this.#given.requirement.files?.sides ?? [];
    this.#parts.list.replaceChildren(...this.#files.map((file, i) => {
      const bar = element('progress', { max: 1, value: 0, 'aria-label': file.name, hidden: !this.isSending });
      const remove = element('button', { type: 'button', 'aria-label': words.remove(file.name), hidden: this.isSending }, words.removeShort);
      remove.addEventListener('click', () => { this.#files.splice(i, 1); this.#renderFiles(); this.#focus(); });
      const side = sides[i] ? `${text(sides[i], this.#fallback)}: ` : '';
      return element('li', {}, element('span', {}, `${side}${file.name} (${size(file.size)})`), remove, bar);
    }));
  }

  #progress(page, share) {
    const bar = this.#parts.list.children[page]?.querySelector('progress');
    if (bar) bar.value = share;
    this.#parts.status.textContent = words.sending(this.#files[page]?.name ?? '', Math.round(share * 100));
  }

  #focus() {
    this.#parts.form.querySelector('input, select, textarea')?.focus();
  }

  /** What the client may keep: the promise, until there is a receipt. */
  #saved() {
    const { promise, answers: given = [] } = this.#state;
    if (!promise) return [];
    const key = this.#given.requirement.key;
    const newest = given.at(-1);
    return [newest ? save(words.receipt, 'receipt', `${key}.receipt`, () => newest.bytes) : save(words.promise, 'promise', `${key}.promise`, () => promise.bytes)];
  }
}

/** How a promised deposit stands: the newest answer counts; the office approves by accepting a second time. */
function standing(promise, answers) {
  const newest = answers.at(-1);
  if (!newest) return { name: 'promised', promise, answers };
  const review = newest.reason.startsWith('review.');
  const accepted = new Set(answers.filter(({ verdict }) => verdict === 'accepted').map(({ time }) => time)).size;
  const name = newest.verdict === 'accepted' ? (accepted > 1 ? 'approved' : 'accepted')
    : newest.verdict === 'refused' ? (review ? 'rejected' : 'refused') : 'quarantined';
  return { name, promise, answers };
}

function sentence({ name, promise, answers, files }) {
  const newest = answers?.at(-1);
  const reason = newest && (words.reasons[newest.reason] ?? newest.reason);
  switch (name) {
    case 'sending': return words.sealing;
    case 'begun': return files.length > 0 ? words.interrupted(files.map((file) => `«${file.name}»`).join(', ')) : words.interruptedForm;
    case 'promised': return Date.now() > promise.answerBy ? words.unanswered : words.promised(moment(promise.time), moment(promise.answerBy));
    case 'accepted': return words.accepted(moment(newest.time));
    case 'approved': return words.approved(moment(newest.time));
    case 'rejected': return words.rejected(reason);
    case 'refused': return words.refused(reason);
    case 'quarantined': return words.quarantined;
    default: return '';
  }
}
