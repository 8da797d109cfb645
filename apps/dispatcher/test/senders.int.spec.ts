import type { SendResult } from '../src/clients/senders/send-adapter.js';
import type { FakeProvider } from './provider-fakes.fixture.js';
import {
  endpointRig,
  fcmRig,
  messagesRig,
  NO_CONTENT,
  sendgridRig,
  type SendRig,
  smsRig,
  telnyxRig,
  twilioRig,
  whatsappRig,
} from './senders.fixture.js';

const RIGS: readonly [string, () => SendRig<FakeProvider>][] = [
  ['twilio', twilioRig],
  ['telnyx', telnyxRig],
  ['vonage SMS', smsRig],
  ['vonage Messages', messagesRig],
  ['whatsapp', whatsappRig],
  ['sendgrid', sendgridRig],
  ['fcm', fcmRig],
  ['generic', endpointRig],
] as unknown as readonly [string, () => SendRig<FakeProvider>][];

describe.each(RIGS)('%s', (name, makeRig) => {
  let rig: SendRig<FakeProvider>;
  beforeAll(async () => {
    rig = makeRig();
    await rig.fake.start();
  });
  afterAll(() => rig.stop());
  beforeEach(() => {
    rig.mayBegin = true;
    rig.fake.accepted.length = 0;
    rig.fake.refused.length = 0;
    rig.fake.faults.length = 0;
  });

  test('D3 sends what its provider takes, and knows the message by the ID it was given', async () => {
    const request = rig.request();
    const result = await rig.send(request);
    expect(rig.fake.refused).toEqual([]);
    expect(rig.fake.accepted).toHaveLength(1);
    const [taken] = rig.fake.accepted;
    expect(result).toMatchObject({ kind: 'sent', providerMessageId: taken!.id });
    expect(taken!.to.replace('+', '')).toBe(request.to.replace('+', ''));
    expect(taken!.text).toBe(request.content.text);
    const wire = JSON.stringify([taken!.fields, taken!.callbackUrl, taken!.reference]);
    expect(wire).toContain(request.messageId);
  });

  test('F8 an answer that is lost after the message was taken is "not known", and nothing is sent again', async () => {
    rig.fake.faults.push({ kind: 'drop_answer' });
    expect(await rig.send(rig.request())).toMatchObject({ kind: 'unknown' });
    expect(rig.fake.accepted).toHaveLength(1);
  });

  test('F8 an answer that does not come in time is "not known"', async () => {
    rig.fake.faults.push({ kind: 'hang' });
    expect(await rig.send(rig.request())).toMatchObject({ kind: 'unknown' });
    expect(rig.fake.accepted).toHaveLength(1);
  });

  test('a late answer counts while its time is not over', async () => {
    rig.fake.faults.push({ kind: 'slow', delayMs: 150 });
    expect(await rig.send(rig.request())).toMatchObject({ kind: 'sent' });
  });

  test('F8 a server that fails may have sent before: 500 is "not known"', async () => {
    rig.fake.faults.push({ kind: 'fail_after', status: 500 });
    expect(await rig.send(rig.request())).toMatchObject({ kind: 'unknown' });
    expect(rig.fake.accepted).toHaveLength(1);
  });

  test('F3 429 is a "not now" that names how long to wait', async () => {
    rig.fake.faults.push({ kind: 'fail', status: 429, retryAfterSeconds: 7 });
    expect(await rig.send(rig.request())).toMatchObject({
      kind: 'refused',
      isRetryable: true,
      retryAfterMs: 7_000,
      signal: '',
    });
    expect(rig.fake.accepted).toEqual([]);
  });

  test('F8 a provider that cannot be reached has got nothing', async () => {
    const request = rig.request({ apiBaseUrl: 'http://127.0.0.1:9' });
    expect(await rig.send(request)).toMatchObject({ kind: 'not_sent' });
  });

  test('F6 an address inside is not called', async () => {
    const request = rig.request({ apiBaseUrl: 'http://169.254.169.254' });
    expect(await rig.send(request)).toMatchObject({ kind: 'not_sent' });
  });

  test('E2 not one byte leaves once the permission is over', async () => {
    rig.mayBegin = false;
    const detail = 'the permission to send is over';
    expect(await rig.send(rig.request())).toEqual({ kind: 'not_sent', detail });
    expect([rig.fake.accepted, rig.fake.refused]).toEqual([[], []]);
  });

  test('B6 credentials of the wrong form are refused before anything leaves', async () => {
    expect(await rig.send(rig.request({ credentials: { headers: 7 } }))).toMatchObject({
      kind: 'refused',
      errorCode: 'credentials.invalid',
      isRetryable: false,
    });
    expect(rig.fake.refused).toEqual([]);
  });

  test('a message without content or over a channel the provider lacks is refused before it leaves', async () => {
    if (name !== 'generic') {
      const channel = name === 'sendgrid' ? 'sms' : 'email';
      const codes = [
        await rig.send(rig.request({ channel })),
        await rig.send(rig.request({ content: NO_CONTENT })),
      ];
      expect(codes).toMatchObject([{ errorCode: 'request.invalid' }, { errorCode: 'request.invalid' }]);
    }
    expect(await rig.send(rig.request({ to: '' }))).toMatchObject({ errorCode: 'request.invalid' });
    expect(rig.fake.refused).toEqual([]);
  });

  test('I10 no result holds an address, a text or a secret', async () => {
    const request = rig.request();
    const results: SendResult[] = [];
    rig.fake.faults.push({ kind: 'refuse', code: '400' }, { kind: 'fail', status: 400 });
    for (let at = 0; at < 2; at++) results.push(await rig.send(request));
    results.push(await rig.send({ ...request, apiBaseUrl: 'http://127.0.0.1:9' }));
    const told = JSON.stringify(results);
    const secrets = JSON.stringify(request.credentials).match(/[\w+/=-]{12,}/g) ?? [];
    for (const word of [request.to, request.content.text, ...secrets]) expect(told).not.toContain(word);
    expect(results.map(({ kind }) => kind)).not.toContain('sent');
  });

  test('F8 what became of a lost answer is asked for, where the provider can be asked', async () => {
    rig.fake.faults.push({ kind: 'drop_answer' });
    const request = rig.request();
    await rig.send(request);
    const found = await rig.find(request);
    if (found === undefined) expect(['whatsapp', 'fcm', 'generic']).toContain(name);
    else expect(found).toMatchObject({ kind: 'found', providerMessageId: rig.fake.accepted[0]!.id });
  });

  test('F8 a message that was never taken is not found, or nobody can say', async () => {
    rig.fake.faults.push({ kind: 'fail', status: 502 });
    const request = rig.request();
    expect(await rig.send(request)).toMatchObject({ kind: 'unknown' });
    // One to the same number, with the same words: only a reference tells them apart.
    await rig.send(rig.request({ content: { ...request.content, text: 'Another text' } }));
    const kind = (await rig.find(request))?.kind;
    if (kind !== undefined) expect(kind).toBe(name === 'twilio' ? 'unknown' : 'not_found');
  });
});
