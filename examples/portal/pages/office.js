// The office's pages work without it; it copies links, and tells of news.
const news = document.getElementById('news');
for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    await navigator.clipboard.writeText(field.value);
    button.textContent = button.dataset.copied;
  });
}
// As the client's page does with what is typed there: the same characters, however two keyboards make them.
const passphrase = document.getElementById('passphrase');
if (passphrase) passphrase.addEventListener('change', () => { passphrase.value = passphrase.value.trim().normalize('NFC'); });
if (news) watch(news);

async function watch(news) {
  const changes = async () => (await fetch(news.dataset.changes)).text();
  let seen = await changes().catch(() => undefined);
  setInterval(async () => {
    const now = await changes().catch(() => seen);
    if (seen === undefined || now === seen || document.hidden) return;
    seen = now;
    const reload = document.createElement('button');
    reload.textContent = news.dataset.action;
    reload.addEventListener('click', () => location.reload());
    news.replaceChildren(`${news.dataset.text} `, reload);
  }, 3000);
}
