// The carrier and the office, each as a process of its own with a place of its own.
import { execFileSync, spawn } from 'node:child_process';
import { Recorder } from './recorder.mjs';

/** @param {string} portal @param {string} place */
export async function begin(portal, place) {
  const run = (...of) => execFileSync(portal, of, { encoding: 'utf8' }).trim();
  const [carrierPlace, officePlace] = [`${place}/carrier`, `${place}/office`];
  const carrierKey = run('carrier', 'new', carrierPlace);
  const fingerprint = run('office', 'new', officePlace);
  const sender = `${officePlace}/office.sender`;
  const carrier = await serve(portal, ['carrier', 'serve', carrierPlace, '127.0.0.1:0', sender, fingerprint], 1);
  const wire = new Recorder(new URL(carrier.urls[0]).port);
  const carrierUrl = await wire.listen();
  const office = await serve(portal, ['office', 'serve', officePlace, '127.0.0.1:0', carrierPlace, carrierKey, carrierUrl], 2);
  const stop = async () => {
    wire.close();
    await Promise.all([carrier, office].map(({ process }) => ended(process)));
  };
  return { wire, carrierUrl, carrierPlace, offices: office.urls, fingerprint, stop };
}

/** Starts a server; gives it with the addresses that it tells first. */
function serve(portal, of, count) {
  const process = spawn(portal, of, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    let text = '';
    process.once('exit', (code) => reject(new Error(`portal ${of[0]} ended with ${code}`)));
    process.stdout.setEncoding('utf8').on('data', (more) => {
      text += more;
      const urls = [...text.matchAll(/http:\S+\n/g)].map(([url]) => url.trim());
      if (urls.length === count) resolve({ process, urls });
    });
  });
}

function ended(process) {
  const gone = new Promise((resolve) => process.once('exit', resolve));
  process.kill();
  return gone;
}
