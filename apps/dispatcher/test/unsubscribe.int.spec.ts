import { parseId } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { readUnsubscribeToken } from '@posthorn/crypto/unsubscribe-token.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CommandHouse, contentOf, type requestOf, type Running } from './commands.fixture.js';
import { FakeSendgrid } from './provider-fakes.fixture.js';

const HASH_KEY = Buffer.alloc(32, 7);
const PREFIX = 'https://in.example/u/';

let house: CommandHouse;
let dispatcher: Running;
let sendgrid: FakeSendgrid;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;

beforeAll(async () => {
  house = await CommandHouse.open('unsubscribe');
  sendgrid = await new FakeSendgrid().start();
  tenant = house.addTenant('acme');
  sourceId = house.config.setSource({
    ...{ tenantId: tenant.id, provider: 'sendgrid' },
    settingsJson: JSON.stringify({ apiBaseUrl: sendgrid.url, from: 'Acme <news@acme.example>' }),
    credentialsJson: JSON.stringify({ accessToken: sendgrid.accessToken }),
  }).id;
  dispatcher = await house.start();
  await house.config.settled();
}, 60_000);
beforeEach(() => {
  sendgrid.accepted.length = 0;
  sendgrid.faults.length = 0;
});
afterAll(async () => {
  await house.close();
  await sendgrid.stop();
});

const TO = 'Ada@example.com';
const MAIL = { ...contentOf('Offers'), subject: 'New' } as NonNullable<ReturnType<typeof contentOf>>;

/** Sends a mail. @returns its ID, and what the provider got. */
async function mail(fields: Parameters<typeof requestOf>[0] = {}) {
  const { command } = await dispatcher.create({
    ...{ tenantId: tenant.id, sourceId, to: TO, from: '', channel: 'email', category: 'marketing' },
    ...{ content: MAIL },
    ...fields,
  });
  const id = command!.id;
  await eventually(
    async () => expect((await dispatcher.get(tenant.id, id)).state).toMatch(/^(sent|failed)$/),
    { timeoutMs: 10_000 },
  );
  const got = sendgrid.accepted.find(({ reference }) => reference === id);
  const headers = (got?.fields['headers'] ?? {}) as Record<string, string | undefined>;
  return { id, got, headers };
}

const linkIn = (headers: Readonly<Record<string, string | undefined>>): string =>
  /^<(https:[^>]+)>$/.exec(headers['List-Unsubscribe'] ?? '')![1]!;
const readLink = (url: string) => {
  expect(url.startsWith(PREFIX)).toBe(true);
  return readUnsubscribeToken(url.slice(PREFIX.length), (id) =>
    id.equals(tenant.uuid) ? HASH_KEY : undefined,
  );
};

test('E1 every marketing mail has both headers of RFC 8058, with a link for this person and this message', async () => {
  const { id, headers } = await mail({ program: 'news', campaign: 'spring' });
  expect(headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click');
  const url = linkIn(headers);
  expect(readLink(url)).toEqual({
    ...{ tenantId: tenant.uuid, messageId: parseId('msg', id), channel: 'email', program: 'news' },
    personHash: keyedHash(HASH_KEY, 'person', 'ada@example.com'),
  });
  const second = await mail({ program: 'news' });
  expect(linkIn(second.headers)).not.toBe(url);
});

test('E1 without a program the link is for all mails; what is no marketing has none', async () => {
  expect(readLink(linkIn((await mail()).headers))).toMatchObject({ program: 'all' });
  expect((await mail({ category: 'transactional' })).headers).toEqual({});
});

test('E1 a link of the caller comes before ours', async () => {
  const content = { ...MAIL, unsubscribeUrl: 'https://shop.example/bye?x=1' };
  expect((await mail({ content })).headers).toMatchObject({
    'List-Unsubscribe': '<https://shop.example/bye?x=1>',
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  });
});

test('E1 the text has the link where its placeholder stands, in a transactional mail too', async () => {
  const content = { ...MAIL, text: 'Bye: %unsubscribe_url%', html: '<a href="%unsubscribe_url%">Bye</a>' };
  const { got, headers } = await mail({ content });
  const url = linkIn(headers);
  expect(got!.fields['content']).toEqual([
    { type: 'text/plain', value: `Bye: ${url}` },
    { type: 'text/html', value: `<a href="${url}">Bye</a>` },
  ]);
  const receipt = await mail({ content, category: 'transactional' });
  expect(receipt.headers).toEqual({});
  expect(readLink(receipt.got!.text.slice('Bye: '.length))).toMatchObject({ channel: 'email' });
});

test('E1 a mail that is sent again after a refusal has the same link', async () => {
  const seen: string[] = [];
  sendgrid.onSend = ({ message }) =>
    void seen.push(linkIn(message.fields['headers'] as Record<string, string>));
  sendgrid.faults.push({ kind: 'fail', status: 429, retryAfterSeconds: 0 });
  await mail();
  sendgrid.onSend = () => undefined;
  expect(seen).toHaveLength(2);
  expect(new Set(seen).size).toBe(1);
});

test('E7 the link is made when the mail leaves: no table has it', async () => {
  await mail({ content: { ...MAIL, text: 'Bye: %unsubscribe_url%' } });
  const { rows } = await house.db.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'dispatch'`,
  );
  for (const { name } of rows) {
    const found = await house.db.query(`SELECT 1 FROM dispatch.${name} AS t WHERE t::text LIKE '%/u/A%'`);
    expect([name, found.rowCount]).toEqual([name, 0]);
  }
});
