import { FakeSendgrid } from '../../src/fakes/sendgrid.js';
import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { type Command, untilState } from '../../src/house/sent-message.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { dayPlace } from '../../src/races/contacts.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const TENANT = '/tenants/mail-shop';
const ADDRESS = 'ada@example.com';

interface Step {
  readonly kind: string;
  readonly what: string;
  readonly rule: string | null;
  readonly detail: string | null;
  readonly eventId: string | null;
  readonly messageId: string | null;
}

let [platform, fake, api, sourceId] = [] as unknown as [RunningPlatform, FakeSendgrid, AdminClient, string];

beforeAll(async () => {
  fake = await new FakeSendgrid().start();
  platform = await sharedPlatform();
  ({ api } = await platform.admin.openTenant('mail-shop', { country: 'GB', timeZone: 'Europe/London' }));
  const source = await api.call<{ id: string }>('POST', `${TENANT}/sources`, {
    ...{ name: 'SendGrid', provider: 'sendgrid', secret: fake.publicKey },
    settings: { apiBaseUrl: fake.url, from: 'Shop <news@shop.example>' },
  });
  sourceId = source.id;
  await api.call('PUT', `${TENANT}/sources/${sourceId}/credentials`, { accessToken: fake.accessToken });
}, START_MS);

afterAll(() => fake?.stop(), START_MS);

/** @returns the mail, once it is in that state. */
async function send(state: string, program: string): Promise<Command> {
  const { id } = await api.call<{ id: string }>('POST', `${TENANT}/messages`, {
    ...{ sourceId, to: ADDRESS, channel: 'email', category: 'marketing', program, campaign: 'autumn' },
    ...{ content: { subject: 'Offers', text: 'Out: %unsubscribe_url%' } },
    timeZone: dayPlace(Date.now()).zone,
  });
  return untilState(api, TENANT, id, state);
}

test('E1 E5 one POST to the link in the headers of a marketing mail, and the next one is refused', async () => {
  await api.call('POST', `${TENANT}/consents`, {
    ...{ address: ADDRESS, channel: 'email', status: 'opted_in' },
    proof: { method: 'web_form', wording: 'Send me offers.', url: 'https://shop.example/offers' },
  });
  const sent = await send('sent', 'news');
  const { fields, text } = fake.accepted[0]!;
  const headers = fields['headers'] as Readonly<Record<string, string>>;
  expect(headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click');
  const [, link] = /^<(.+)>$/.exec(headers['List-Unsubscribe']!)!;
  expect(text).toBe(`Out: ${link}`);
  expect(link!.startsWith(`${platform.local.ingressUrl}/u/`)).toBe(true);

  // A program that looks at links: nobody is unsubscribed by it.
  const looked = await fetch(link!);
  expect([looked.status, looked.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  await send('sent', 'news');

  const posted = await fetch(link!, {
    method: 'POST',
    redirect: 'error',
    body: new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }),
  });
  expect([posted.status, posted.headers.get('set-cookie')]).toEqual([200, null]);
  const refused = await send('blocked', 'news');
  expect(refused.command.decision).toMatchObject({ rule: 'suppression.opt_out' });
  await send('sent', 'wine');
  expect(fake.accepted).toHaveLength(3);
  const forged = await fetch(`${link!.slice(0, -2)}${link!.endsWith('AA') ? 'QQ' : 'AA'}`, {
    method: 'POST',
    body: 'List-Unsubscribe=One-Click',
  });
  expect(forged.status).toBe(404);

  const person = await api.call<{ id: string; suppressions: { channel: string; scope: string }[] }>(
    'POST',
    `${TENANT}/people/lookup`,
    { address: ADDRESS },
  );
  expect(person.suppressions).toMatchObject([{ channel: 'email', scope: 'news', reason: 'opt_out' }]);
  const [event, suppressed] = await waitFor(
    'the story names the mail that was unsubscribed by',
    async () => {
      const { data } = await api.call<{ data: Step[] }>(
        'GET',
        `${TENANT}/people/${person.id}/timeline?limit=100`,
      );
      const found = data.find(({ what }) => what === 'person.unsubscribed');
      return found && [found, data.find(({ kind }) => kind === 'suppressed')];
    },
    SEEN,
  );
  expect(event).toMatchObject({ kind: 'event', messageId: sent.id, detail: 'opt_out' });
  expect(suppressed).toMatchObject({ what: 'opt_out', rule: 'news', eventId: event!.eventId });
});
