// What somebody of the office does on their pages.
export class Office {
  constructor(page, url) {
    this.page = page;
    this.url = url;
  }

  list() {
    return this.page.goto(this.url);
  }

  async openCase(client) {
    await this.list();
    await this.page.follow((client) => {
      const form = document.querySelector('form[action*="/cases"]');
      form.elements.client.value = client;
      form.querySelector('button').click();
    }, client);
    this.path = new URL(await this.page.run(() => location.href)).pathname.split('/').slice(2).join('/');
  }

  at(path = '') {
    return this.page.goto(`${this.url}${this.path}${path}`);
  }

  async makeLink() {
    await this.at();
    await this.page.follow(() => document.querySelector('#ask button').click());
    return this.page.run(() => document.querySelector('#link').value);
  }

  async reject(requirement, code) {
    await this.at(`/review/${requirement}`);
    await this.page.follow((code) => {
      document.querySelector('form.reject').elements.code.value = code;
      document.querySelector('form.reject button').click();
    }, code);
  }

  /** Attests what is to be attested, then approves; as often as two people need it each does. */
  async approve(requirement) {
    await this.at(`/review/${requirement}`);
    while (await this.page.run(() => document.querySelector('button[value=attest]') !== null)) {
      await this.page.follow(() => document.querySelector('button[value=attest]').click());
      await this.at(`/review/${requirement}`);
    }
    if (await this.page.run(() => document.querySelector('form.approve') !== null)) {
      await this.page.follow(() => document.querySelector('form.approve button').click());
    }
  }

  async complete() {
    await this.at();
    await this.page.follow(() => document.querySelector('form[action*="/complete"] button').click());
    return this.page.run(() => document.querySelector('.done')?.textContent);
  }
}
