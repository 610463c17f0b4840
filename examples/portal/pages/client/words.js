// The client's page in Spanish and English, side by side.
const spanish = document.documentElement.lang === 'es';

/** @param {string} es @param {string} en */
const say = (es, en) => (spanish ? es : en);

export const language = spanish ? 'es' : 'en';

/** A template's text: in the page's language, or the template's own, or any. @param {Record<string, string>} text @param {string} fallback */
export const text = (text, fallback) => text?.[language] ?? text?.[fallback] ?? Object.values(text ?? {})[0] ?? '';

/** @param {number} time ms since 1970 */
export const moment = (time) =>
  new Intl.DateTimeFormat(language === 'es' ? 'es-MX' : 'en', { dateStyle: 'long', timeStyle: 'short' }).format(time);

/** @param {number} bytes */
export const size = (bytes) => {
  const [value, unit] = bytes < 1e6 ? [Math.ceil(bytes / 1e3), 'kB'] : [(bytes / 1e6).toFixed(1), 'MB'];
  return `${value} ${unit}`;
};

/** A sentence ends with one full stop, also behind "a.m.". @param {string} sentence */
const stop = (sentence) => (sentence.endsWith('.') ? sentence : `${sentence}.`);

export const words = {
  lead: (until) => stop(say(`Entregue lo que se pide, todo junto o por partes. Este enlace sirve hasta el ${until}`, `Hand in what is asked for, at once or bit by bit. This link works until ${until}`)),
  done: (done, all) => say(`${done} de ${all} requisitos entregados`, `${done} of ${all} requirements handed in`),
  progress: say('Avance de su entrega', 'Progress of what you hand in'),
  required: say('Obligatorio', 'Required'),
  optional: say('Opcional', 'Optional'),
  only: (title, answers) => say(`Solo si en «${title}» respondió: ${answers}`, `Only if for “${title}” you answered: ${answers}`),
  yes: say('Sí', 'Yes'),
  no: say('No', 'No'),
  choose: say('Elija…', 'Choose…'),
  chooseFile: say('Elegir archivo', 'Choose a file'),
  chooseFiles: say('Elegir archivos', 'Choose files'),
  takePhoto: say('Tomar foto', 'Take a photo'),
  remove: (name) => say(`Quitar ${name}`, `Remove ${name}`),
  removeShort: say('Quitar', 'Remove'),
  files: (min, max) => (max === 1 ? say('1 archivo', '1 file') : min === max ? say(`${min} archivos`, `${min} files`) : say(`De ${min} a ${max} archivos`, `${min} to ${max} files`)),
  upTo: (size, files) => say(`hasta ${size}${files > 1 ? ' cada uno' : ''}`, `up to ${size}${files > 1 ? ' each' : ''}`),
  issued: say('Fecha de expedición del documento', 'Date of issue of the document'),
  issuedHint: (months) => say(`De no más de ${months} meses`, `At most ${months} months old`),
  validUntil: say('Vigente hasta', 'Valid until'),
  comment: say('Comentario para la oficina (opcional)', 'Comment for the office (optional)'),
  send: say('Cifrar y entregar', 'Encrypt and hand in'),
  close: say('Cerrar', 'Close'),
  others: (count) => say(`Solo si corresponde (${count})`, `Only if it applies (${count})`),
  openers: {
    none: say('Entregar', 'Hand in'),
    begun: say('Continuar', 'Go on'),
    rejected: say('Entregar de nuevo', 'Hand in again'),
    refused: say('Entregar de nuevo', 'Hand in again'),
  },
  goOn: say('Continuar la entrega', 'Go on handing in'),
  replace: say('Entregar otra versión', 'Hand in another version'),
  startOver: say('Empezar de nuevo', 'Start over'),
  sending: (name, percent) => say(`${name}: ${percent} % enviado`, `${name}: ${percent} % sent`),
  sealing: say('Cifrando y enviando…', 'Encrypting and sending…'),
  waiting: say('Sin conexión: continuará sola en cuanto vuelva.', 'No connection: it goes on by itself once there is one.'),
  interrupted: (names) => say(`La entrega se interrumpió. Elija otra vez ${names} y continuará donde se quedó.`, `Handing in was interrupted. Choose ${names} again, and it goes on where it stopped.`),
  interruptedForm: say('La entrega se interrumpió. Responda otra vez y entréguela.', 'Handing in was interrupted. Answer again, and hand it in.'),
  promised: (time, by) => stop(say(`Entregado el ${time}, con promesa firmada de respuesta a más tardar el ${by}`, `Handed in on ${time}, with a signed promise of an answer by ${by}`)),
  accepted: (time) => say(`La oficina lo recibió el ${time} y lo está revisando.`, `The office received it on ${time} and is reviewing it.`),
  approved: (time) => stop(say(`La oficina lo aprobó el ${time}`, `The office approved it on ${time}`)),
  rejected: (reason) => say(`La oficina lo rechazó: ${reason}. Entréguelo de nuevo.`, `The office rejected it: ${reason}. Please hand it in again.`),
  refused: (reason) => say(`La oficina no pudo admitirlo: ${reason}. Corríjalo y entréguelo de nuevo.`, `The office could not take it: ${reason}. Correct it and hand it in again.`),
  quarantined: say('La oficina lo apartó para examinarlo con más cuidado.', 'The office has put it aside for a closer look.'),
  unanswered: say('El plazo para responder pasó sin respuesta. Su promesa firmada lo demuestra: guárdela.', 'The time to answer has passed without an answer. Your signed promise proves it: keep it.'),
  receipt: say('Guardar acuse', 'Save the receipt'),
  promise: say('Guardar promesa', 'Save the promise'),
  evidence: say('Comprobar mis acuses', 'Verify my receipts'),
  evidenceHint: say('Con estos tres archivos, la huella de la oficina y un acuse, cualquiera lo comprueba sin conexión y sin nosotros.', "With these three files, the office's fingerprint and a receipt, anybody verifies it, offline and without us."),
  request: say('Solicitud firmada', 'Signed request'),
  policy: say('Política de confianza', 'Trust policy'),
  office: say('Identidad de la oficina', "The office's identity"),
  passphrase: say('Contraseña que le dio la oficina', 'Passphrase that the office gave you'),
  open: say('Abrir', 'Open'),
  opening: say('Abriendo…', 'Opening…'),
  chips: {
    none: say('Pendiente', 'To do'),
    begun: say('Interrumpido', 'Interrupted'),
    sending: say('Enviando', 'Sending'),
    promised: say('Entregado', 'Handed in'),
    accepted: say('En revisión', 'Under review'),
    approved: say('Aprobado', 'Approved'),
    rejected: say('Rechazado', 'Rejected'),
    refused: say('No admitido', 'Not taken'),
    quarantined: say('Apartado', 'Put aside'),
  },
  reasons: {
    'review.illegible': say('no se lee bien', 'it is not legible'),
    'review.incomplete': say('está incompleto', 'it is incomplete'),
    'review.other-document': say('es otro documento', 'it is another document'),
    'review.out-of-date': say('no está vigente', 'it is out of date'),
    'review.differs': say('no coincide con sus datos', 'it does not match your data'),
    rules: say('no cumple lo que se pide', 'it does not meet what is asked for'),
    inspection: say('el archivo no es del tipo que se admite', 'the file is not of a type that is taken'),
  },
  problems: {
    count: (min, max) => (min === max ? say(`Elija ${min} ${min === 1 ? 'archivo' : 'archivos'}.`, `Choose ${min} ${min === 1 ? 'file' : 'files'}.`) : say(`Elija de ${min} a ${max} archivos.`, `Choose ${min} to ${max} files.`)),
    large: (name, most) => say(`${name} es demasiado grande: se admiten hasta ${most}.`, `${name} is too large: up to ${most} are taken.`),
    type: (name) => say(`${name} no es de un tipo que se admita.`, `${name} is not of a type that is taken.`),
    empty: (name) => say(`${name} está vacío.`, `${name} is empty.`),
    amount: say('Escriba una cantidad como 1250 o 1250.50.', 'Write an amount such as 1250 or 1250.50.'),
    range: (min, max) => say(`Debe estar entre ${min} y ${max}.`, `It must be between ${min} and ${max}.`),
    locked: say('La contraseña no abre esta solicitud.', 'The passphrase does not open this request.'),
    link: say('El enlace está incompleto: ábralo entero, tal como lo recibió.', 'The link is not whole: open all of it, as you received it.'),
    corrupt: say('Esta solicitud no es la del enlace. No entregue nada y avise a la oficina.', 'This is not the request that the link is for. Hand in nothing, and tell the office.'),
    expired: say('La solicitud venció. Pida otra a la oficina.', 'The request has expired. Ask the office for another.'),
    changed: say('El archivo no es el mismo con que empezó: elija el mismo o empiece de nuevo.', 'The file is not the one you began with: choose that one, or start over.'),
    closed: say('La oficina cerró esta solicitud.', 'The office has closed this request.'),
    uses: say('Ya se entregó el número de veces que se admite. Pida otro enlace a la oficina.', 'It has been handed in as often as it may. Ask the office for another link.'),
    failed: say('No se pudo enviar. Intente de nuevo; nada se perdió.', 'It could not be sent. Try again; nothing is lost.'),
  },
};
