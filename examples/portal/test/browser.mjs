// Headless Chromium over a pipe, with the DevTools protocol (chromedevtools.github.io/devtools-protocol) and nothing else.
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

export class Browser {
  #process;
  #next = 1;
  #waiting = new Map();
  #pages = new Map();
  #rest = '';

  /** @param {string} program @param {string} folder where it keeps its profile */
  constructor(program, folder) {
    const options = [
      '--headless=new', '--remote-debugging-pipe', `--user-data-dir=${folder}`, '--no-first-run', '--disable-gpu', '--disable-dev-shm-usage',
      '--disable-background-networking', '--disable-component-update', '--hide-scrollbars', '--lang=es-MX', '--accept-lang=es-MX',
    ];
    // Chromium's own sandbox does not start as root, as in most CI containers.
    if (process.getuid?.() === 0) options.push('--no-sandbox');
    this.#process = spawn(program, [...options, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    this.#process.stdio[4].setEncoding('utf8').on('data', (text) => this.#read(text));
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, method });
      setTimeout(() => reject(new Error(`${method}: no answer`)), 30_000).unref();
    });
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return answer;
  }

  #read(text) {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop();
    for (const message of messages.map((message) => JSON.parse(message))) {
      if (message.id === undefined) {
        this.#pages.get(message.sessionId)?.heard(message.method, message.params);
        continue;
      }
      const { resolve, reject, method } = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) reject(new Error(`${method}: ${message.error.message}`));
      else resolve(message.result);
    }
  }

  /** A page of its own, with the headers of a telephone or a desk. @param {{ width: number, height: number, mobile: boolean }} screen */
  async page(screen) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page((method, params) => this.send(method, params, sessionId));
    this.#pages.set(sessionId, page);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.send(`${domain}.enable`);
    await page.screen(screen);
    return page;
  }

  /** Saves what pages download, under names that are their own. @param {string} folder */
  async downloads(folder) {
    await this.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
  }

  async close() {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    await this.send('Browser.close').catch(() => {});
    await Promise.race([gone, pause(5000).then(() => this.#process.kill('SIGKILL'))]);
  }
}

class Page {
  /** What went wrong in it: exceptions, and what the content security policy kept from running. */
  problems = [];
  /** Every address that it has asked for. */
  asked = new Set();
  #loaded = () => {};

  constructor(send) {
    this.send = send;
  }

  heard(method, params) {
    if (method === 'Page.loadEventFired') this.#loaded();
    if (method === 'Network.requestWillBeSent') this.asked.add(params.request.url);
    if (method === 'Runtime.exceptionThrown') this.problems.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Log.entryAdded' && params.entry.source === 'security') this.problems.push(params.entry.text);
    if (method === 'Page.javascriptDialogOpening') this.send('Page.handleJavaScriptDialog', { accept: true });
  }

  screen({ width, height, mobile }) {
    const touch = this.send('Emulation.setTouchEmulationEnabled', { enabled: mobile });
    return touch.then(() => this.send('Emulation.setDeviceMetricsOverride', { width, height, mobile, deviceScaleFactor: mobile ? 2 : 1 }));
  }

  async #load(start) {
    const loaded = new Promise((resolve) => { this.#loaded = resolve; });
    await start();
    const late = pause(30_000, undefined, { ref: false }).then(() => { throw new Error('the page does not load'); });
    await Promise.race([loaded, late]);
  }

  async goto(url) {
    await this.#load(() => this.send('Page.navigate', { url }));
  }

  async reload() {
    await this.#load(() => this.send('Page.reload'));
  }

  /** Does something that leads to another page. */
  async follow(work, ...values) {
    await this.#load(() => this.run(work, ...values));
  }

  /** Runs a function in the page, with values that JSON can write. */
  async run(work, ...values) {
    const expression = `(${work})(...${JSON.stringify(values)})`;
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true, userGesture: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until a function gives something true, and gives it. */
  async until(what, work, ...values) {
    // What is behind another page looks for nothing new.
    await this.send('Page.bringToFront');
    for (const end = Date.now() + 30_000; Date.now() < end; await pause(100)) {
      const found = await this.run(work, ...values);
      if (found) return found;
    }
    throw new Error(`waited in vain: ${what}; the page says: ${await this.run(() => document.body.innerText.slice(0, 2000))}`);
  }

  async chooseFiles(selector, files) {
    const { result } = await this.send('Runtime.evaluate', { expression: `document.querySelector(${JSON.stringify(selector)})` });
    await this.send('DOM.setFileInputFiles', { files, objectId: result.objectId });
  }

  /** Takes a picture of what the screen shows from an element on. */
  async picture(file, from) {
    await this.send('Page.bringToFront');
    await this.run((from) => document.querySelector(from).scrollIntoView(), from);
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    await writeFile(file, Buffer.from(data, 'base64'));
  }

  /** What keeps people from using the page, as far as axe-core sees it (WCAG 2.2, A and AA). */
  async barriers() {
    await this.send('Runtime.evaluate', { expression: await readFile(AXE, 'utf8') });
    return this.run(async () => {
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const { violations } = await globalThis.axe.run(document, { runOnly: tags });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`);
    });
  }

  async pdf(html) {
    await this.run((html) => { document.body.innerHTML = html; }, html);
    const { data } = await this.send('Page.printToPDF', { printBackground: true });
    return Buffer.from(data, 'base64');
  }
}

const AXE = new URL('../../../web/node_modules/axe-core/axe.min.js', import.meta.url);
