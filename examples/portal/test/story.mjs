// The whole story in a browser: story.mjs PORTAL CHROMIUM PICTURES
import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Browser } from './browser.mjs';
import { Client } from './client.mjs';
import { Office } from './office.mjs';
import { papers } from './papers.mjs';
import { assertAbsent, contents, secrets } from './secrets.mjs';
import { begin } from './servers.mjs';

const [portal, chromium, pictures] = process.argv.slice(2);
const PHONE = { width: 390, height: 844, mobile: true };
const DESK = { width: 1280, height: 800, mobile: false };

const place = await mkdtemp(`${tmpdir()}/portal-`);
const folder = (name) => mkdir(`${place}/${name}`).then(() => `${place}/${name}`);
const [profile, files, saved] = [await folder('profile'), await folder('files'), await folder('saved')];
await mkdir(pictures, { recursive: true });
const start = Date.now();
const said = (what) => console.log(`${((Date.now() - start) / 1000).toFixed(1).padStart(5)} s  ${what}`);
const servers = await begin(portal, place);
const browser = new Browser(chromium, profile);
const pages = [];
const folders = [];
const page = async (screen) => pages[pages.push(await browser.page(screen)) - 1];

/** Pictures of both widths, from an element on, and nothing in either that keeps people out; then back to the page's own width. */
async function picture(page, name, own, from = 'body') {
  for (const [word, screen] of [['phone', PHONE], ['desk', DESK]]) {
    await page.screen(screen);
    await pause(150);
    await page.picture(resolve(pictures, `${name}-${word}.png`), from);
    assert.deepEqual(await page.barriers(), [], `${name} at ${screen.width} pixels`);
  }
  await page.screen(own);
}

const end = async () => {
  await browser.close();
  await servers.stop();
  await rm(place, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end().finally(() => process.exit(1)));
try {
  await tell();
  said('all held');
} finally {
  await end();
}

async function tell() {
  await browser.downloads(saved);
  const paper = await papers(await page(DESK), files);
  const office = new Office(await page(DESK), servers.offices[0]);
  await office.openCase('Juana Pérez Ramírez');
  const link = await office.makeLink();
  assert.ok(link.startsWith(`${servers.carrierUrl}/r/`), link);
  await picture(office.page, 'office-link', DESK);
  said('the office has opened a case and made a link');

  const client = new Client(await page(PHONE));
  await client.open(link);
  await picture(client.page, 'client-empty', PHONE);
  await handInAll(client, paper);
  await interrupted(client, paper);
  said('the client has handed in everything, through a connection that was cut');

  await client.stands('official_id', 'accepted');
  await office.reject('official_id', 'review.illegible');
  await client.stands('official_id', 'rejected');
  await picture(client.page, 'client-rejected', PHONE, '[data-requirement=official_id]');
  await client.handIn('official_id', paper.frontAgain, paper.back);
  await client.stands('official_id', 'accepted');
  said('a rejected document was handed in again');

  await review(office, client);
  await office.list();
  await picture(office.page, 'office-list', DESK);
  await office.at();
  await client.stands('payout_account', 'approved');
  await client.stands('official_id', 'approved');
  await picture(client.page, 'client-approved', PHONE);
  said('everything is approved, and the case is complete');

  await receipt(client);
  await bundle(office);
  await picture(client.page, 'client-sees', PHONE, '.evidence');
  await inEnglish(client, link);
  folders.push(await contents(servers.carrierPlace));
  assertNothingTold(link, Object.values(paper), Buffer.concat(folders));
  await assertOfficeIsClosed(office);
  const problems = pages.flatMap((page) => page.problems);
  assert.deepEqual(problems, []);
  const hosts = new Set(pages.flatMap((page) => [...page.asked]).filter((url) => url.startsWith('http')).map((url) => new URL(url).origin));
  assert.deepEqual([...hosts].sort(), [servers.carrierUrl, new URL(servers.offices[0]).origin].sort());
}

async function handInAll(client, paper) {
  await client.handIn('application');
  await client.handIn('privacy_notice');
  await client.handIn('official_id', paper.front, paper.back);
  await client.handIn('proof_of_address', paper.address);
  await client.handIn('tax_status', paper.tax);
  await client.handIn('payslips', ...paper.payslips);
  await client.handIn('bank_statements', ...paper.statements);
  await client.handIn('payout_account', paper.account);
  await client.handIn('credit_bureau_consent', paper.consent);
  await client.handIn('other_documents', paper.front);
}

/** The wire is cut while a large photograph is sent; after a reload it goes on, and sends nothing twice. */
async function interrupted(client, paper) {
  const { wire } = servers;
  const before = wire.count('POST /parts');
  const parts = Math.ceil(paper.selfie.bytes.length / (512 * 1024));
  assert.ok(parts >= 3, `the photograph is too small: ${paper.selfie.bytes.length} bytes`);
  await client.prepare('selfie', [paper.selfie]);
  const two = new Promise((done) => { wire.onSent = () => { if (wire.count('POST /parts') >= before + 3) done(); }; });
  await client.send('selfie');
  await two;
  wire.drop();
  // Parts lie in the carrier's folder now; later they are cleared.
  folders.push(await contents(servers.carrierPlace));
  await client.page.until('the page waits', (words) => words.some((word) => document.body.innerText.includes(word)), ['Sin conexión', 'No connection']);
  await picture(client.page, 'client-sending', PHONE, '[data-requirement=selfie]');
  wire.cut = false;
  wire.onSent = undefined;
  await client.page.reload();
  await client.opened();
  await client.stands('selfie', 'begun');
  await picture(client.page, 'client-interrupted', PHONE, '[data-requirement=selfie]');
  const sent = wire.count('POST /parts');
  await client.handIn('selfie', paper.selfie);
  const again = wire.count('POST /parts') - sent;
  assert.ok(again < parts, `${again} of ${parts} parts were sent after the reload`);
}

async function review(office, client) {
  const second = new Office(await page(DESK), servers.offices[1]);
  second.path = office.path;
  for (const key of ['application', 'privacy_notice', 'official_id', 'selfie', 'proof_of_address', 'tax_status', 'payslips', 'bank_statements', 'payout_account', 'credit_bureau_consent']) {
    await client.stands(key, 'accepted');
    if (key === 'official_id') {
      await office.at(`/review/${key}`);
      await picture(office.page, 'office-review', DESK);
      await opensSafely(office, key);
    }
    if (key === 'application') {
      await office.at(`/review/${key}`);
      await picture(office.page, 'office-form', DESK);
    }
    await office.approve(key);
    if (key === 'payslips') {
      await office.at();
      await picture(office.page, 'office-case', DESK);
      await picture(office.page, 'office-ask', DESK, '#ask');
    }
  }
  await second.approve('payout_account');
  assert.match(await office.complete(), /Completo desde/);
  await picture(office.page, 'office-complete', DESK);
}

/** What was handed in comes as it was, and as nothing that could run. */
async function opensSafely(office, key) {
  const got = await office.page.run(async (url) => {
    const response = await fetch(url);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { headers: Object.fromEntries(response.headers), start: [...bytes.slice(0, 3)] };
  }, `${office.url}${office.path}/files/${key}/1`);
  assert.deepEqual(got.start, [0xff, 0xd8, 0xff]);
  assert.equal(got.headers['content-security-policy'], "default-src 'none'; sandbox");
  assert.equal(got.headers['x-content-type-options'], 'nosniff');
  assert.equal(got.headers['content-type'], 'image/jpeg');
  assert.match(got.headers['content-disposition'], /^attachment; filename="[a-z_]+-1\.jpg"$/);
}

/** Waits for a download; its name is its own once it is whole. */
async function savedAs(name) {
  for (let tries = 0; tries < 150; tries += 1) {
    if (await readFile(`${saved}/${name}`).then((bytes) => bytes.length > 0, () => false)) return `${saved}/${name}`;
    await pause(100);
  }
  throw new Error(`${name} was not saved`);
}

/** The receipt verifies with what the client saved and the office's fingerprint, and not if a byte is altered. */
async function receipt(client) {
  const press = (what) => client.page.run((what) => document.querySelector(`[data-requirement="official_id"] [data-save="${what}"], .evidence [data-save="${what}"]`).click(), what);
  const names = { receipt: 'official_id.receipt', request: 'request.descriptor', policy: 'office.policy', office: 'office.sender' };
  for (const [what, name] of Object.entries(names)) {
    await press(what);
    await savedAs(name);
  }
  const { receipt, request, policy, office } = Object.fromEntries(Object.entries(names).map(([what, name]) => [what, `${saved}/${name}`]));
  const verify = (file) => ['verify', 'receipt', file, request, policy, office, servers.fingerprint];
  const proven = execFileSync(portal, verify(receipt), { encoding: 'utf8', env: {} });
  assert.match(proven, /^official_id: accepted, record \d+/);
  const altered = await readFile(receipt);
  altered[40] ^= 1;
  await writeFile(`${saved}/altered`, altered);
  assert.equal(spawnSync(portal, verify(`${saved}/altered`)).status, 1);
  said(`a receipt was saved and verified offline: ${proven.split('\n')[0]}`);
}

/** The whole case verifies by the policy that the client has, and not if a byte is altered. */
async function bundle(office) {
  await office.page.run(() => document.querySelector('#bundle').click());
  const zip = await savedAs(`${office.path.split('/').pop()}.zip`);
  const verify = (file) => ['verify', 'bundle', file, `${saved}/office.policy`];
  const proven = execFileSync(portal, verify(zip), { encoding: 'utf8', env: {} });
  assert.match(proven, /^personal_loan_mx: complete, 1\d files/);
  const altered = await readFile(zip);
  altered[altered.length >> 1] ^= 1;
  await writeFile(`${saved}/altered.zip`, altered);
  assert.equal(spawnSync(portal, verify(`${saved}/altered.zip`)).status, 1);
  said(`the bundle was downloaded and verified: ${proven.trim()}`);
}

async function inEnglish(client, link) {
  await client.page.follow(() => document.querySelector('[data-tongue]').click());
  await client.opened();
  assert.equal(await client.page.run(() => location.hash), link.slice(link.indexOf('#')));
  await client.stands('official_id', 'approved');
  assert.equal(await client.page.run(() => document.querySelector('h1').textContent), 'Personal loan');
  await picture(client.page, 'client-english', PHONE);
}

function assertNothingTold(link, paper, kept) {
  const hidden = secrets(link, paper, ['Juana', 'PERJ900517', 'juana@ejemplo', 'official_id', 'payout_account', 'Banco Ejemplo', 'Identificaci']);
  assertAbsent('what was sent to the carrier', servers.wire.sent, hidden);
  assertAbsent("the carrier's folder", kept, hidden);
  said(`nothing of ${hidden.length} secrets is in ${kept.length} bytes that the carrier keeps, or in ${servers.wire.sent.length} bytes sent to it`);
}

async function assertOfficeIsClosed(office) {
  const { origin } = new URL(office.url);
  for (const path of ['/', '/cases', `/${'0'.repeat(64)}/`, `/${'0'.repeat(64)}/${office.path}`]) {
    assert.equal((await fetch(origin + path)).status, 404, path);
  }
  const answer = await fetch(office.url, { headers: { origin: servers.carrierUrl } });
  assert.equal(answer.headers.get('access-control-allow-origin'), null);
}
