import type { SendChannel, SendContent, SendRequest } from '../src/clients/senders/send-adapter.js';
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

const content = (fields: Partial<SendContent>): SendContent => ({ ...NO_CONTENT, ...fields });

async function withRig<F extends FakeProvider>(
  rig: SendRig<F>,
  work: (rig: SendRig<F>, fake: F) => Promise<void>,
): Promise<void> {
  await rig.fake.start();
  try {
    await work(rig, rig.fake);
  } finally {
    await rig.stop();
  }
}

/** What the provider says no with, and what we make of it. */
async function refusals<F extends FakeProvider>(
  rig: SendRig<F>,
  codes: readonly string[],
): Promise<Record<string, string>> {
  const meanings: Record<string, string> = {};
  for (const code of codes) {
    rig.fake.faults.push({ kind: 'refuse', code });
    const result = await rig.send(rig.request());
    meanings[code] =
      result.kind === 'refused'
        ? `${result.errorCode === code ? '' : `${result.errorCode} `}${result.signal || (result.isRetryable ? 'later' : 'no')}`
        : result.kind;
  }
  return meanings;
}

describe('twilio', () => {
  test('E1 21610 says that the recipient has opted out there; a full queue may be tried again', async () => {
    await withRig(twilioRig(), async (rig) => {
      expect(await refusals(rig, ['21610', '63014', '21611', '21211', '20003'])).toEqual({
        ...{ 21610: 'opt_out', 63014: 'opt_out', 21611: 'later', 21211: 'no', 20003: 'no' },
      });
    });
  });

  test('media, pools of senders and templates have forms of their own', async () => {
    await withRig(twilioRig(), async (rig, fake) => {
      const pool = `MG${'0'.repeat(32)}`;
      const media = content({
        text: 'Look',
        mediaUrls: ['https://a.example/1.png', 'https://a.example/2.png'],
      });
      const template = { name: `HX${'1'.repeat(32)}`, language: '', parameters: ['Ada', '12:00'] };
      const chat = { channel: 'chat' as SendChannel, to: 'whatsapp:+447700900001' };
      const results = [
        await rig.send(rig.request({ from: pool, content: media })),
        await rig.send(rig.request({ ...chat, from: 'whatsapp:+1555', content: content({ template }) })),
        await rig.send(rig.request({ content: content({ mediaUrls: ['no URL'] }) })),
      ];
      expect(results).toMatchObject([
        { kind: 'sent', state: 'accepted' },
        { kind: 'sent', state: 'queued' },
        { kind: 'refused', errorCode: 'request.invalid' },
      ]);
      expect(fake.accepted.map(({ fields }) => fields)).toMatchObject([
        { MessagingServiceSid: pool, Body: 'Look', mediaUrls: media.mediaUrls },
        { ContentSid: template.name, ContentVariables: '{"1":"Ada","2":"12:00"}', To: chat.to },
      ]);
    });
  });

  test('F8 the status callback carries our reference, and keeps what its URL had', async () => {
    await withRig(twilioRig(), async (rig, fake) => {
      const request = rig.request({ statusCallbackUrl: 'https://in.example.com/in/acme/src_1?a=b' });
      await rig.send(request);
      expect(fake.accepted[0]!.callbackUrl).toBe(
        `https://in.example.com/in/acme/src_1?a=b&posthorn-message=${request.messageId}`,
      );
    });
  });

  test('F8 two messages that say the same cannot be told apart: a person decides', async () => {
    await withRig(twilioRig(), async (rig) => {
      const request = rig.request();
      await rig.send(request);
      expect(await rig.find(request)).toMatchObject({ kind: 'found', state: 'queued' });
      await rig.send(rig.request());
      expect(await rig.find(request)).toMatchObject({ kind: 'unknown' });
    });
  });

  test('F8 a message before or after the send, or from another sender, is not the one', async () => {
    await withRig(twilioRig(), async (rig) => {
      const request = rig.request();
      await rig.send(request);
      const hour = 3_600_000;
      expect(await rig.find(request, hour)).toMatchObject({ kind: 'unknown' });
      expect(await rig.find(request, -hour)).toMatchObject({ kind: 'unknown' });
      expect(await rig.find({ ...request, from: '+447700900009' })).toMatchObject({ kind: 'unknown' });
    });
  });

  test('F8 the message is found on a later page; beyond five pages nobody looks', async () => {
    await withRig(twilioRig(), async (rig, fake) => {
      const request = rig.request();
      await rig.send(request);
      const other = rig.request({ content: content({ text: 'Something else' }) });
      for (let at = 0; at < 50; at++) await rig.send(other);
      expect(await rig.find(request)).toMatchObject({
        kind: 'found',
        providerMessageId: fake.accepted[0]!.id,
      });
      for (let at = 0; at < 60; at++) await rig.send(other);
      expect(await rig.find(request)).toMatchObject({ kind: 'unknown' });
    });
  });
});

describe('telnyx', () => {
  test('E1 40300 is an opt-out, a full queue may be tried again, the rest is no', async () => {
    await withRig(telnyxRig(), async (rig) => {
      expect(await refusals(rig, ['40300', '40318', '40010', '10002'])).toEqual({
        ...{ 40300: 'opt_out', 40318: 'later', 40010: 'no', 10002: 'no' },
      });
    });
  });

  test('a pool of numbers is named instead of a number', async () => {
    await withRig(telnyxRig(), async (rig, fake) => {
      const from = '16fd2706-8baf-433b-82eb-8c7fada847da';
      await rig.send(rig.request({ from, content: content({ mediaUrls: ['https://a.example/1.png'] }) }));
      expect(fake.accepted[0]!.fields).toMatchObject({
        messaging_profile_id: from,
        media_urls: ['https://a.example/1.png'],
      });
    });
  });
});

describe('vonage', () => {
  test('E1 9 is a lack of credit in an answer, not the opt-out that it is in a receipt', async () => {
    await withRig(smsRig(), async (rig) => {
      expect(await refusals(rig, ['1', '10', '9', '4', '7', '5'])).toEqual({
        ...{ 1: 'later', 10: 'later', 9: 'no', 4: 'no', 7: 'no', 5: 'unknown' },
      });
    });
  });

  test('a text beyond the alphabet of SMS goes as Unicode, and arrives as it was', async () => {
    await withRig(smsRig(), async (rig, fake) => {
      const texts = ['Grüße & = 10€', 'Привет', '日本', 'a`b'];
      for (const text of texts) await rig.send(rig.request({ content: content({ text }) }));
      expect(fake.refused).toEqual([]);
      expect(fake.accepted.map(({ text }) => text)).toEqual(texts);
      expect(fake.accepted.map(({ fields }) => fields['type'])).toEqual([
        ...['text', 'unicode', 'unicode', 'unicode'],
      ]);
    });
  });

  test('an application sends pictures too; its errors are named by the end of a URL', async () => {
    await withRig(messagesRig(), async (rig, fake) => {
      const mediaUrls = ['https://a.example/1.png'];
      await rig.send(rig.request({ content: content({ text: 'Look', mediaUrls }) }));
      expect(fake.accepted[0]!.fields).toMatchObject({
        ...{ channel: 'mms', message_type: 'image', image: { url: mediaUrls[0], caption: 'Look' } },
      });
      expect(await refusals(rig, ['1150', 'low-balance'])).toEqual({ 1150: 'no', 'low-balance': 'no' });
    });
  });

  test('F8 without reports, or without what they are asked with, nobody can say', async () => {
    await withRig(messagesRig(), async (rig, fake) => {
      const request = rig.request();
      await rig.send(request);
      const { applicationId, privateKey } = fake;
      const alone = { ...request, credentials: { applicationId, privateKey } };
      expect(await rig.find(alone)).toMatchObject({ kind: 'unknown' });
      fake.hasReports = false;
      expect(await rig.find(request)).toMatchObject({ kind: 'unknown', detail: 'Vonage answered HTTP 403' });
    });
  });

  test('B6 a private key that is none is refused before anything leaves', async () => {
    await withRig(messagesRig(), async (rig, fake) => {
      const credentials = { applicationId: fake.applicationId, privateKey: 'no key' };
      expect(await rig.send(rig.request({ credentials }))).toMatchObject({
        errorCode: 'credentials.invalid',
      });
      expect(fake.refused).toEqual([]);
    });
  });
});

describe('whatsapp', () => {
  test('E1 131050 is an opt-out, limits may be tried again, the closed window is no', async () => {
    await withRig(whatsappRig(), async (rig) => {
      expect(await refusals(rig, ['131050', '130429', '131056', '131000', '131047', '190'])).toEqual({
        ...{ 131050: 'opt_out', 130429: 'later', 131056: 'later', 131000: 'later', 131047: 'no', 190: 'no' },
      });
    });
  });

  test('templates and media have forms of their own; the only number of a source needs no name', async () => {
    await withRig(whatsappRig(), async (rig, fake) => {
      const template = { name: 'order_update', language: 'en_US', parameters: ['Ada', 'A-1'] };
      const settings = { phoneNumberIds: [fake.phoneNumberId] };
      const sends: Partial<SendRequest>[] = [
        { from: '', settings, content: content({ template }) },
        { content: content({ text: 'Look', mediaUrls: ['https://a.example/1.jpg?x=y'] }) },
        { content: content({ mediaUrls: ['https://a.example/terms.pdf'] }) },
      ];
      for (const send of sends) expect(await rig.send(rig.request(send))).toMatchObject({ kind: 'sent' });
      expect(fake.accepted.map(({ fields }) => fields)).toMatchObject([
        {
          type: 'template',
          template: {
            name: 'order_update',
            language: { code: 'en_US' },
            components: [{ type: 'body', parameters: [{ type: 'text', text: 'Ada' }, { text: 'A-1' }] }],
          },
        },
        { type: 'image', image: { link: 'https://a.example/1.jpg?x=y', caption: 'Look' } },
        { type: 'document', document: { link: 'https://a.example/terms.pdf' } },
      ]);
      const unnamed = [{ from: '' }, { from: '', settings: { phoneNumberIds: ['1', '2'] } }];
      for (const each of unnamed)
        expect(await rig.send(rig.request(each))).toMatchObject({ errorCode: 'request.invalid' });
    });
  });
});

describe('sendgrid', () => {
  test('E1 a marketing mail can be unsubscribed from by one click (RFC 8058)', async () => {
    await withRig(sendgridRig(), async (rig, fake) => {
      const unsubscribeUrl = 'https://u.example/o?p=1&c=ü>';
      const { content: said } = rig.request();
      await rig.send(rig.request({ content: { ...said, unsubscribeUrl } }));
      expect(fake.accepted[0]!.fields).toMatchObject({
        headers: {
          'List-Unsubscribe': '<https://u.example/o?p=1&c=%C3%BC%3E>',
          'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
        },
        from: { email: 'news@acme.example', name: 'Acme' },
        content: [{ type: 'text/plain' }, { type: 'text/html' }],
      });
      for (const wrong of ['http://u.example/', 'mailto:u@example.com', 'https://'])
        expect(await rig.send(rig.request({ content: { ...said, unsubscribeUrl: wrong } }))).toMatchObject({
          errorCode: 'request.invalid',
        });
      await rig.send(rig.request());
      expect(fake.accepted[1]!.fields).not.toHaveProperty('headers');
    });
  });

  test('a template is filled with named values', async () => {
    await withRig(sendgridRig(), async (rig, fake) => {
      const template = { name: 'd-1234', language: '', parameters: [] };
      await rig.send(rig.request({ content: content({ template, data: { name: 'Ada' } }) }));
      expect(fake.accepted[0]!.fields).toMatchObject({
        template_id: 'd-1234',
        personalizations: [{ dynamic_template_data: { name: 'Ada' } }],
      });
    });
  });

  test('F8 503 is documented to be "not available": nothing was sent; other failures say nothing', async () => {
    await withRig(sendgridRig(), async (rig) => {
      rig.fake.faults.push({ kind: 'fail', status: 503 }, { kind: 'fail', status: 502 });
      expect(await rig.send(rig.request())).toMatchObject({ kind: 'refused', isRetryable: true });
      expect(await rig.send(rig.request())).toMatchObject({ kind: 'unknown' });
    });
  });

  test('F8 without Email Activity nobody can say', async () => {
    await withRig(sendgridRig(), async (rig, fake) => {
      fake.hasActivity = false;
      expect(await rig.find(rig.request())).toMatchObject({ kind: 'unknown' });
    });
  });
});

describe('fcm', () => {
  test('E1 UNREGISTERED is a hard bounce; quotas and overload may be tried again', async () => {
    await withRig(fcmRig(), async (rig, fake) => {
      fake.unregistered.add('gone');
      expect(await rig.send(rig.request({ to: 'gone' }))).toMatchObject({
        ...{ kind: 'refused', errorCode: 'UNREGISTERED', signal: 'hard_bounce', isRetryable: false },
      });
      const codes = ['QUOTA_EXCEEDED', 'UNAVAILABLE', 'INTERNAL', 'SENDER_ID_MISMATCH'];
      expect(await refusals(rig, codes)).toEqual({
        ...{ QUOTA_EXCEEDED: 'later', UNAVAILABLE: 'later', INTERNAL: 'unknown', SENDER_ID_MISMATCH: 'no' },
      });
    });
  });

  test('sends that begin together ask for one access token; one that is revoked is asked for anew', async () => {
    await withRig(fcmRig(), async (rig, fake) => {
      const kinds = (await Promise.all([1, 2, 3].map(() => rig.send(rig.request())))).map(({ kind }) => kind);
      expect([...kinds, fake.tokensGiven]).toEqual(['sent', 'sent', 'sent', 1]);
      fake.revoke();
      expect(await rig.send(rig.request())).toMatchObject({ kind: 'refused', isRetryable: true });
      expect(await rig.send(rig.request())).toMatchObject({ kind: 'sent' });
      expect(fake.tokensGiven).toBe(2);
    });
  });

  test('F8 without an access token nothing was sent, whatever the reason', async () => {
    await withRig(fcmRig(), async (rig, fake) => {
      fake.tokenFailures.push(503, 400);
      expect(await rig.send(rig.request())).toMatchObject({ kind: 'not_sent' });
      expect(await rig.send(rig.request())).toMatchObject({ errorCode: 'credentials.invalid' });
      const credentials = { ...rig.request().credentials, token_uri: 'http://127.0.0.1:9/token' };
      expect(await rig.send(rig.request({ credentials }))).toMatchObject({ kind: 'not_sent' });
      expect(await rig.send(rig.request())).toMatchObject({ kind: 'sent' });
      expect(fake.accepted).toHaveLength(1);
    });
  });

  test('data goes to the app without being shown, beside our reference', async () => {
    await withRig(fcmRig(), async (rig, fake) => {
      const request = rig.request({ content: content({ data: { screen: 'orders' } }) });
      await rig.send(request);
      const { fields } = fake.accepted[0]!;
      expect(fields).not.toHaveProperty('notification');
      expect(fields['data']).toEqual({ screen: 'orders', posthorn_message_id: request.messageId });
    });
  });
});

describe('generic', () => {
  test('C4 a repeated send is one message: the ID is the idempotency key', async () => {
    await withRig(endpointRig(), async (rig, fake) => {
      const request = rig.request();
      rig.fake.faults.push({ kind: 'drop_answer' });
      expect(await rig.send(request)).toMatchObject({ kind: 'unknown' });
      expect(await rig.send(request)).toMatchObject({
        kind: 'sent',
        providerMessageId: fake.accepted[0]!.id,
      });
      expect(fake.accepted).toHaveLength(1);
    });
  });

  test('E1 a refusal may say that the recipient has opted out, or is gone', async () => {
    await withRig(endpointRig(), async (rig, fake) => {
      fake.signals.set('stopped', 'opt_out').set('gone', 'hard_bounce').set('odd', 'explode');
      expect(await refusals(rig, ['stopped', 'gone', 'odd', 'other'])).toEqual({
        ...{ stopped: 'opt_out', gone: 'hard_bounce', odd: 'no', other: 'no' },
      });
    });
  });

  test('the headers of the credentials do not replace those of the message', async () => {
    await withRig(endpointRig(), async (rig, fake) => {
      const headers = { 'X-Api-Key': fake.apiKey, 'Idempotency-Key': 'forged', 'Content-Type': 'text/plain' };
      const request = rig.request({ credentials: { headers } });
      expect(await rig.send(request)).toMatchObject({ kind: 'sent' });
      expect(fake.accepted[0]!.reference).toBe(request.messageId);
    });
  });
});
