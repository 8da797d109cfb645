import { randomBytes } from 'node:crypto';
import twilio from 'twilio';
import { FakeTwilio } from '../../src/fakes/twilio.js';
import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { type Command, untilState } from '../../src/house/sent-message.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { contactAt, dayPlace } from '../../src/races/contacts.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const OURS = '+15005550006';
const TENANT = '/tenants/sends-shop';

interface Step {
  readonly kind: string;
  readonly what: string;
  readonly rule: string | null;
  readonly detail: string | null;
  readonly eventId: string | null;
  readonly messageId: string | null;
  readonly message: { readonly from: string | null; readonly to: string | null } | null;
}
interface Handoff {
  readonly conversationId: string;
  readonly state: string;
  readonly fencingToken: number | null;
}

let [platform, fake, api, source] = [] as unknown as [
  RunningPlatform,
  FakeTwilio,
  AdminClient,
  { id: string; url: string },
];

beforeAll(async () => {
  fake = await new FakeTwilio().start();
  platform = await sharedPlatform();
  ({ api } = await platform.admin.openTenant('sends-shop'));
  const { accountSid, authToken } = fake;
  source = await api.call('POST', `${TENANT}/sources`, {
    ...{ name: 'Twilio', provider: 'twilio', secret: authToken },
    settings: { accountSid, apiBaseUrl: fake.url, from: OURS },
  });
  await api.call('PUT', `${TENANT}/sources/${source.id}/credentials`, { accountSid, authToken });
}, START_MS);

afterAll(() => fake?.stop(), START_MS);

/** The contact writes; as Twilio signs it. */
async function receive(from: string, text: string, url = source.url): Promise<string> {
  const sid = `SM${randomBytes(16).toString('hex')}`;
  const fields = { MessageSid: sid, Body: text, From: from, To: OURS, NumMedia: '0' };
  const signature = twilio.getExpectedTwilioSignature(fake.authToken, url, fields);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'x-twilio-signature': signature },
    body: new URLSearchParams(fields),
  });
  expect(response.status).toBe(200);
  return sid;
}

/** @returns the message, once it is in that state. */
async function send(to: string, state: string, fields: object): Promise<Command> {
  const { id } = await api.call<{ id: string }>('POST', `${TENANT}/messages`, {
    ...{
      sourceId: source.id,
      to,
      channel: 'sms',
      content: { text: `Hello ${randomBytes(4).toString('hex')}` },
    },
    ...fields,
  });
  return untilState(api, TENANT, id, state);
}

test('E5 the timeline of a complaint tells every step from consent to the refused message, each with its rule', async () => {
  const address = contactAt(dayPlace(Date.now()), 100_001);
  await api.call('POST', `${TENANT}/consents`, {
    ...{ address, channel: 'sms', status: 'opted_in' },
    proof: { method: 'web_form', wording: 'Send me offers.', url: 'https://shop.example/offers' },
  });
  const offer = { category: 'marketing', campaign: 'autumn' };
  const sent = await send(address, 'sent', offer);
  const accepted = fake.accepted.find(({ to }) => to === address)!;
  expect(await fake.callback(accepted, 'delivered')).toEqual([204]);
  await untilState(api, TENANT, sent.id, 'delivered');
  await receive(address, 'STOP');
  // Who reads a person has what waits written: before, a send is refused as well, by the rule that an opt-out waits.
  const person = await api.call<{ id: string; suppressions: { reason: string; channel: string }[] }>(
    'POST',
    `${TENANT}/people/lookup`,
    { address },
  );
  expect(person.suppressions).toMatchObject([{ reason: 'opt_out' }]);
  const refused = await send(address, 'blocked', offer);
  expect(refused.command.decision).toMatchObject({ rule: 'suppression.opt_out' });
  expect(fake.accepted.filter(({ to }) => to === address)).toHaveLength(1);
  // In the order in which it must have happened; the story is told newest first.
  const story: Partial<Step>[] = [
    { kind: 'signal', what: 'opted_in' },
    { kind: 'decision', what: 'allow', rule: 'consent.opted_in', messageId: sent.id },
    { kind: 'event', what: 'message.delivered', messageId: sent.id },
    { kind: 'event', what: 'message.received' },
    { kind: 'suppressed', what: 'opt_out' },
    { kind: 'decision', what: 'deny', rule: 'suppression.opt_out', messageId: refused.id },
  ];
  const fits = (step: Step, wanted: Partial<Step>): boolean =>
    Object.entries(wanted).every(([name, value]) => step[name as keyof Step] === value);
  const steps = await waitFor(
    'the whole story',
    async () => {
      const { data } = await api.call<{ data: Step[] }>(
        'GET',
        `${TENANT}/people/${person.id}/timeline?limit=100`,
      );
      return story.every((wanted) => data.some((step) => fits(step, wanted))) ? data : undefined;
    },
    SEEN,
  );
  const places = story.map((wanted) => steps.length - steps.findIndex((step) => fits(step, wanted)));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(steps.filter(({ kind }) => kind === 'send').map(({ what, messageId }) => [what, messageId])).toEqual(
    [
      ['blocked', refused.id],
      ['sent', sent.id],
    ],
  );
  const delivered = steps.find(({ what }) => what === 'message.delivered')!;
  expect(delivered.message).toMatchObject({ to: 'delivered' });
  const suppressed = steps.find(({ kind }) => kind === 'suppressed')!;
  expect(suppressed.eventId).toBe(steps.find(({ what }) => what === 'message.received')!.eventId);
  expect(JSON.stringify(steps)).not.toContain(address.slice(1));
  const { data: decisions } = await api.call<{ data: { rule: string; facts: object }[] }>(
    'GET',
    `${TENANT}/decisions?personId=${person.id}`,
  );
  expect(decisions.map(({ rule }) => rule)).toEqual(['suppression.opt_out', 'consent.opted_in']);
  expect(decisions.every(({ facts }) => Object.keys(facts).length > 0)).toBe(true);
});

test("E1 a word of the tenant's own language is an opt-out from the answer to PUT …/policies on, like STOP", async () => {
  const [early, late, after] = [1, 2, 3].map((n) => contactAt(dayPlace(Date.now()), 100_200 + n)) as [
    ...[string, string, string],
  ];
  const told = { category: 'transactional' };
  const put = (expectedVersion: number, keywords: object) =>
    api.call<{ version: number; keywords: object }>('PUT', `${TENANT}/policies`, {
      ...{ expectedVersion, keywords },
    });
  await receive(early, 'Lopeta!');
  await send(early, 'sent', told);
  await expect(put(0, { optIn: ['Stop.'] })).rejects.toThrow(/400 .*keywords\.optIn\.0/);
  const policy = await put(0, { optOut: ['Lopeta', 'İPTAL'], optIn: ['aloita'] });
  // With `pending` it would have been a 202.
  expect(policy).not.toHaveProperty('pending');
  expect(policy).toMatchObject({ version: 1, keywords: { optOut: ['lopeta', 'iptal'] } });
  await send(late, 'sent', told);
  await receive(late, ' LOPETA! ');
  // In force with its commit; the suppression is written a moment later, and before anybody reads of it.
  const atOnce = await send(late, 'blocked', told);
  expect(['opt_out.pending', 'suppression.opt_out']).toContain(atOnce.command.decision!.rule);
  expect(fake.accepted.filter(({ to }) => to === late)).toHaveLength(1);
  const person = await api.call<{ suppressions: object[] }>('POST', `${TENANT}/people/lookup`, {
    address: late,
  });
  // Once: nobody has to judge it as well.
  expect(person.suppressions).toMatchObject([{ reason: 'opt_out' }]);
  const refused = await send(late, 'blocked', told);
  expect(refused.command.decision).toMatchObject({ rule: 'suppression.opt_out' });
  expect(fake.accepted.filter(({ to }) => to === late)).toHaveLength(1);
  expect((await api.call<{ data: object[] }>('GET', `${TENANT}/reviews`)).data).toEqual([]);
  await put(1, { optOut: [] });
  await receive(after, 'lopeta');
  await send(after, 'sent', told);
});

test('D6 a conversation goes to a person and back: the bot is refused while somebody has it', async () => {
  const address = contactAt(dayPlace(Date.now()), 100_002);
  await receive(address, 'My parcel is gone, I want to talk to somebody');
  const person = await api.call<{ id: string }>('POST', `${TENANT}/people/lookup`, { address });
  const path = `${TENANT}/conversations`;
  const { id } = await waitFor(
    'the conversation',
    async () => (await api.call<{ data: { id: string }[] }>('GET', `${path}?personId=${person.id}`)).data[0],
    SEEN,
  );
  const said = { category: 'transactional', replyTo: id };
  await send(address, 'sent', said);

  const asked = await api.call<Handoff>('POST', `${path}/${id}/handoff`, {
    ...{ reason: 'user_request', queue: 'parcels', priority: 2, intent: 'parcel_lost', sentiment: 'angry' },
    summary: 'A parcel did not arrive.',
  });
  expect(asked).toMatchObject({ conversationId: id, state: 'escalated' });
  const state = async (): Promise<string> =>
    (await api.call<{ state: string }>('GET', `${path}/${id}`)).state;
  const queue = async (): Promise<string[]> =>
    (await api.call<{ data: Handoff[] }>('GET', `${TENANT}/agent-queue?queue=parcels`)).data.map(
      ({ conversationId }) => conversationId,
    );
  const until = (what: string, check: () => Promise<boolean>): Promise<true> =>
    waitFor(what, async () => ((await check()) ? true : undefined), SEEN);
  await until('it waits in the queue', async () => (await queue()).includes(id));
  await until('it is escalated', async () => (await state()) === 'escalated');

  const claimed = await api.call<Handoff>('POST', `${path}/${id}/claim`, {});
  const fencingToken = claimed.fencingToken!;
  expect([await queue(), claimed.state]).toEqual([[], 'claimed']);
  const { package: told } = await api.call<{ package: object }>('GET', `${path}/${id}/handoff`);
  expect(JSON.stringify(told)).toContain('I want to talk to somebody');

  const bot = await send(address, 'failed', said);
  expect(bot.command).toMatchObject({ errorCode: 'conversation.owned', decision: null });
  const stranger = { ...said, sender: 'agent', fencingToken: fencingToken + 1 };
  expect((await send(address, 'failed', stranger)).command.errorCode).toBe('conversation.owned');
  await send(address, 'sent', { ...said, sender: 'agent', fencingToken });
  await expect(api.call('POST', `${path}/${id}/close`, { fencingToken: fencingToken + 1 })).rejects.toThrow(
    'handoff.token_mismatch',
  );
  await api.call('POST', `${path}/${id}/close`, { fencingToken, note: 'found at the neighbour' });
  await until('it is closed', async () => (await state()) === 'closed');
  // Nobody has it any more.
  await send(address, 'sent', said);
  expect(fake.accepted.filter(({ to }) => to === address)).toHaveLength(3);
});

test('E2 E3 a rule confirms STOP once and answers HELP, and says nothing where the carrier does', async () => {
  const [own, carrier] = [4, 5].map((n) => contactAt(dayPlace(Date.now()), 100_200 + n)) as [string, string];
  const { accountSid, authToken } = fake;
  // An account where somebody turned off what Twilio answers by itself.
  const silent = await api.call<{ id: string; url: string }>('POST', `${TENANT}/sources`, {
    ...{ name: 'Twilio, silent', provider: 'twilio', secret: authToken },
    settings: { accountSid, apiBaseUrl: fake.url, from: OURS, carrierReplies: [] },
  });
  await api.call('PUT', `${TENANT}/sources/${silent.id}/credentials`, { accountSid, authToken });
  const { version } = await api.call<{ version: number }>('GET', `${TENANT}/policies`);
  const answers = { program: 'Shop Deals', contact: 'help@shop.example' };
  await api.call('PUT', `${TENANT}/policies`, { expectedVersion: version, answers });
  const rule = await api.call<{ id: string }>('POST', `${TENANT}/rules`, {
    name: 'answers',
    when: { types: ['message.received'], expression: 'event.signal in ["opt_out", "help"]' },
    then: { action: 'send', category: 'transactional', answers: true },
  });
  const decided = (count: number) =>
    waitFor(
      `${count} answers are decided`,
      async () => {
        const effects = `${TENANT}/rules/${rule.id}/effects?limit=50`;
        const { data } = await api.call<{ data: { result: string | null }[] }>('GET', effects);
        const made = data.flatMap(({ result }) => result ?? []);
        const all = await Promise.all(made.map((id) => api.call<Command>('GET', `${TENANT}/messages/${id}`)));
        const ended = all.filter(({ state }) => ['sent', 'blocked'].includes(state));
        return ended.length === count ? ended.map(({ command }) => command.decision!.rule).sort() : undefined;
      },
      SEEN,
    );
  const textsTo = (address: string): string[] =>
    fake.accepted.filter(({ to }) => to === address).map(({ text }) => text);
  await receive(own, 'STOP', silent.url);
  await receive(own, 'Stop!', silent.url);
  const [first, second] = ['opt_out.confirmation', 'opt_out.confirmation_used'];
  expect(await decided(2)).toEqual([first, second]);
  expect(textsTo(own)).toEqual([
    expect.stringMatching(/^Shop Deals: You are unsubscribed.*help@shop\.example/),
  ]);
  await receive(own, 'HELP', silent.url);
  expect(await decided(3)).toEqual([first, second, 'opt_out.help_answer']);
  expect(textsTo(own)[1]).toMatch(/^Shop Deals: For help contact help@shop\.example/);
  await receive(carrier, 'HELP');
  await receive(carrier, 'STOP');
  expect(await decided(5)).toEqual([
    ...['opt_out.carrier_answers_help', 'opt_out.carrier_confirms'],
    ...[first, second, 'opt_out.help_answer'],
  ]);
  expect(textsTo(carrier)).toEqual([]);
  await api.call('DELETE', `${TENANT}/rules/${rule.id}`);
});
