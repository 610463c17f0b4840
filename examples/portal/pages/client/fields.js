// A requirement's form: one labelled control for each field, checked before anything is sealed.
import { language, text, words } from './words.js';

/** An element with attributes and children. @param {string} tag @param {Record<string, any>} attributes @param {...(Node | string)} children */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** `A` a capital, `9` a digit, `*` either or `&`. @param {string} mask */
const pattern = (mask) => [...mask].map((c) => ({ A: '[A-ZÑ]', 9: '[0-9]', '*': '[A-ZÑ0-9&]' })[c] ?? c.replace(/[^A-Za-z0-9 ]/g, '\\$&')).join('');

/** The attributes of an input, by the kind of its field. */
const inputs = {
  amount: () => ({ inputmode: 'decimal', pattern: '(0|[1-9][0-9]*)([.][0-9]{2})?', title: words.problems.amount }),
  date: () => ({ type: 'date' }),
  email: () => ({ type: 'email', autocomplete: 'email' }),
  integer: (field) => ({ type: 'number', step: 1, min: field.min, max: field.max, inputmode: 'numeric' }),
  phone: () => ({ type: 'tel', autocomplete: 'tel', pattern: '[+][1-9][0-9]{6,14}', placeholder: '+525512345678' }),
  text: (field) => ({ minlength: field.min, maxlength: field.max, pattern: field.mask && pattern(field.mask) }),
};

/** The controls of a requirement's fields. @param {any} requirement @param {string} fallback @param {string} prefix */
export function controls(requirement, fallback, prefix) {
  const fields = (requirement.fields ?? []).map((field) => control(field, fallback, `${prefix}-${field.key}`));
  if (requirement.issued_within_months !== undefined) {
    const hint = words.issuedHint(requirement.issued_within_months);
    fields.push(day('@issued', words.issued, hint, `${prefix}-issued`, { max: today() }));
  }
  if (requirement.expires) fields.push(day('@valid-until', words.validUntil, '', `${prefix}-until`, { min: today() }));
  return fields;
}

const today = () => new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);

function day(name, title, hint, id, limits) {
  return labelled(title, hint, id, element('input', { id, name, type: 'date', required: true, ...limits }));
}

function control(field, fallback, id) {
  const required = field.required !== false;
  const title = text(field.title, fallback) + (required ? '' : ` (${words.optional.toLowerCase()})`);
  const hint = text(field.help, fallback);
  if (field.type === 'boolean') return yesOrNo(field, title, id, required);
  if (field.type === 'choice') return labelled(title, hint, id, choice(field, fallback, id, required));
  const input = element('input', { id, name: field.key, required, ...(inputs[field.type] ?? inputs.text)(field) });
  if (field.mask?.includes('A')) input.addEventListener('input', () => { input.value = input.value.toLocaleUpperCase(language); });
  if (field.type === 'amount') input.addEventListener('input', () => inRange(input, field));
  return labelled(title, hint, id, input);
}

/** An amount's limits are whole units. */
function inRange(input, { min, max }) {
  const value = Number(input.value);
  const out = input.value !== '' && ((min !== undefined && value < min) || (max !== undefined && value > max));
  input.setCustomValidity(out ? words.problems.range(min ?? '…', max ?? '…') : '');
}

function choice(field, fallback, id, required) {
  const options = field.choices.map((one) => element('option', { value: one.key }, text(one.title, fallback)));
  return element('select', { id, name: field.key, required }, element('option', { value: '' }, words.choose), ...options);
}

function yesOrNo(field, title, id, required) {
  const radio = (value, word) => element('label', { class: 'check' },
    element('input', { type: 'radio', name: field.key, value, required, id: `${id}-${value}` }), element('span', {}, word));
  return element('fieldset', { class: 'yesno' }, element('legend', {}, title), radio('true', words.yes), radio('false', words.no));
}

/** @param {string} title @param {string} hint @param {string} id @param {HTMLElement} input */
export function labelled(title, hint, id, input) {
  const parts = [element('label', { for: id }, title), input];
  if (hint) {
    input.setAttribute('aria-describedby', `${id}-hint`);
    parts.push(element('p', { class: 'hint', id: `${id}-hint` }, hint));
  }
  return element('div', { class: 'field' }, ...parts);
}

/** The remark's control, by a name that is no field's key. */
export const COMMENT = '@comment';

/** What was answered; what was left empty is no answer. @param {HTMLFormElement} form */
export function answers(form) {
  const given = [...new FormData(form)].filter(([name, value]) => name !== COMMENT && typeof value === 'string' && value.trim() !== '');
  return Object.fromEntries(given.map(([name, value]) => [name, String(value).trim()]));
}
