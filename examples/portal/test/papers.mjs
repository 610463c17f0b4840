// Real files, made by the browser: photographs as JPEG, pages as PDF.
import { writeFile } from 'node:fs/promises';

/** @param {any} page @param {string} folder */
export async function papers(page, folder) {
  const jpeg = async (name, title, noise) => {
    const url = await page.run(photograph, title, noise);
    return kept(folder, `${name}.jpg`, Buffer.from(url.slice(url.indexOf(',') + 1), 'base64'));
  };
  const pdf = async (name, title) => kept(folder, `${name}.pdf`, await page.pdf(`<h1>${title}</h1><p>Juana Pérez Ramírez, ${name}</p>`));
  return {
    front: await jpeg('INE frente', 'CREDENCIAL · FRENTE', 2),
    back: await jpeg('INE reverso', 'CREDENCIAL · REVERSO', 2),
    frontAgain: await jpeg('INE frente nítida', 'CREDENCIAL · FRENTE (NÍTIDA)', 2),
    selfie: await jpeg('foto con INE', 'FOTO', 1),
    address: await pdf('recibo de luz', 'Recibo de luz'),
    tax: await pdf('constancia SAT', 'Constancia de Situación Fiscal'),
    payslips: [await pdf('nómina 1', 'Recibo 1'), await pdf('nómina 2', 'Recibo 2'), await pdf('nómina 3', 'Recibo 3')],
    statements: [await pdf('estado 1', 'Estado 1'), await pdf('estado 2', 'Estado 2'), await pdf('estado 3', 'Estado 3')],
    account: await pdf('carátula', 'Carátula con CLABE'),
    consent: await pdf('autorización', 'Autorización firmada'),
  };
}

async function kept(folder, name, bytes) {
  const path = `${folder}/${name}`;
  await writeFile(path, bytes);
  return { path, name, bytes };
}

/** Draws a card; `grain` 1 makes it as large as a camera's. */
function photograph(title, grain) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = grain === 1 ? [1600, 1200] : [640, 400];
  const draw = canvas.getContext('2d');
  for (let x = 0; x < canvas.width; x += grain * 2) {
    for (let y = 0; y < canvas.height; y += grain * 2) {
      draw.fillStyle = `hsl(${200 + Math.random() * 40} 40% ${60 + Math.random() * 30}%)`;
      draw.fillRect(x, y, grain * 2, grain * 2);
    }
  }
  draw.fillStyle = '#123';
  draw.font = `600 ${canvas.width / 20}px sans-serif`;
  draw.fillText(title, canvas.width / 12, canvas.height / 2);
  return canvas.toDataURL('image/jpeg', 0.92);
}
