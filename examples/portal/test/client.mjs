// What the client does on their page.
import { strict as assert } from 'node:assert';

const day = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

/** Answers by field; dates by what they say. */
const ANSWERS = {
  full_name: 'Juana Pérez Ramírez', birth_date: '1990-05-17', curp: 'PERJ900517MDFRMN09', rfc: 'PERJ900517AB1', phone: '+525512345678',
  email: 'juana@ejemplo.mx', marital_status: 'single', employment: 'employee', monthly_income: '25000', amount: '80000.50', months: '24',
  has_guarantor: 'false', is_exposed: 'false', read: 'true', consents: 'true', bank: 'Banco Ejemplo', clabe: '012180001234567895',
  '@issued': day(-5), '@valid-until': day(700),
};

export class Client {
  constructor(page) {
    this.page = page;
  }

  async open(link) {
    await this.page.goto('about:blank');
    await this.page.goto(link);
    await this.opened();
  }

  opened() {
    return this.page.until('the request opens', () => document.querySelector('[data-requirement]') && true);
  }

  state(requirement) {
    return this.page.run((key) => document.querySelector(`[data-requirement="${key}"]`).dataset.state, requirement);
  }

  stands(requirement, ...states) {
    const stands = (key, states) => states.includes(document.querySelector(`[data-requirement="${key}"]`).dataset.state);
    return this.page.until(`${requirement} is ${states.join(' or ')}`, stands, requirement, states);
  }

  /** Fills in the form and chooses the files of a requirement, and does not send them. */
  async prepare(requirement, files) {
    await this.page.run((key) => {
      const card = document.querySelector(`[data-requirement="${key}"]`);
      if (card.closest('details')) card.closest('details').open = true;
      const opener = card.querySelector('.opener');
      if (opener.getAttribute('aria-expanded') === 'false') opener.click();
    }, requirement);
    await this.page.run(fill, requirement, ANSWERS);
    if (files.length > 0) {
      await this.page.chooseFiles(`[data-requirement="${requirement}"] input[type=file]`, files.map((file) => file.path));
    }
  }

  async send(requirement) {
    const problem = await this.page.run((key) => {
      const form = document.querySelector(`[data-requirement="${key}"] form`);
      const invalid = form.querySelector(':invalid:not(fieldset)');
      if (invalid) return `${invalid.name}: ${invalid.validationMessage}`;
      form.querySelector('button.primary').click();
      return form.querySelector('.problem').textContent;
    }, requirement);
    assert.equal(problem, '', requirement);
  }

  async handIn(requirement, ...files) {
    await this.prepare(requirement, files);
    await this.send(requirement);
    await this.stands(requirement, 'promised', 'accepted');
  }
}

function fill(requirement, answers) {
  const form = document.querySelector(`[data-requirement="${requirement}"] form`);
  for (const control of form.elements) {
    const answer = answers[control.name];
    if (answer === undefined) continue;
    if (control.type === 'radio') control.checked = control.value === answer;
    else control.value = answer;
    control.dispatchEvent(new Event('input', { bubbles: true }));
  }
}
