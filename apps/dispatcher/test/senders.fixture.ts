import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import { EgressClient } from '@posthorn/egress/egress-client.js';
import { senderOf } from '../src/clients/senders/registry.js';
import type {
  FindQuery,
  FindResult,
  SendChannel,
  SendContent,
  SendCredentials,
  SendRequest,
  SendResult,
} from '../src/clients/senders/send-adapter.js';
import { EgressSendHttp } from '../src/clients/senders/send-http.js';
import {
  FakeEndpoint,
  FakeFcm,
  type FakeProvider,
  FakeSendgrid,
  FakeTelnyx,
  FakeTwilio,
  FakeVonage,
  FakeWhatsapp,
} from './provider-fakes.fixture.js';

const clock = new SystemClock();

export const NO_CONTENT: SendContent = {
  text: '',
  html: '',
  subject: '',
  title: '',
  mediaUrls: [],
  template: undefined,
  data: {},
  unsubscribeUrl: '',
};

/** One source of a provider, and the provider. */
export class SendRig<F extends FakeProvider> {
  mayBegin = true;
  private readonly egress = new EgressClient(clock, {
    allowLoopback: true,
    connectTimeoutMs: 300,
    headersTimeoutMs: 400,
    totalTimeoutMs: 400,
  });

  constructor(
    readonly provider: string,
    readonly fake: F,
    private readonly base: (
      fake: F,
    ) => Pick<SendRequest, 'channel' | 'to' | 'from' | 'content' | 'credentials'>,
  ) {}

  request(change: Partial<SendRequest> = {}): SendRequest {
    return {
      messageId: formatId('msg', newUuid(clock.nowMs())),
      settings: {},
      apiBaseUrl: this.fake.url,
      statusCallbackUrl: 'https://in.example.com/in/acme/src_1',
      ...this.base(this.fake),
      ...change,
    };
  }

  send(request: SendRequest): Promise<SendResult> {
    return senderOf(this.provider)!.send(this.http(), request);
  }

  /** Asks for what was sent that long ago. Undefined where the provider cannot be asked. */
  async find(request: SendRequest, ageMs = 0): Promise<FindResult | undefined> {
    const query: FindQuery = { ...request, sentAtMs: clock.nowMs() - ageMs };
    return senderOf(this.provider)!.find?.(this.http(), query);
  }

  async stop(): Promise<void> {
    await this.egress.onApplicationShutdown();
    await this.fake.stop();
  }

  private http(): EgressSendHttp {
    return new EgressSendHttp(this.egress, clock, this.provider, () => this.mayBegin);
  }
}

const SMS = { channel: 'sms' as SendChannel, to: '+447700900001', from: '+447700900002' };
const said = (content: Partial<SendContent>): SendContent => ({ ...NO_CONTENT, ...content });
const TEXT = said({ text: 'Your table is booked' });
const credentials = (fields: SendCredentials): SendCredentials => fields;

export const twilioRig = () =>
  new SendRig('twilio', new FakeTwilio(), ({ accountSid, authToken }) => ({
    ...SMS,
    content: TEXT,
    credentials: credentials({ accountSid, authToken }),
  }));
export const telnyxRig = () =>
  new SendRig('telnyx', new FakeTelnyx(), ({ accessToken }) => ({
    ...SMS,
    content: TEXT,
    credentials: credentials({ accessToken }),
  }));
export const smsRig = () =>
  new SendRig('vonage', new FakeVonage(), ({ apiKey, apiSecret }) => ({
    ...SMS,
    content: TEXT,
    credentials: credentials({ apiKey, apiSecret }),
  }));
export const messagesRig = () =>
  new SendRig('vonage', new FakeVonage(), ({ applicationId, privateKey, apiKey, apiSecret }) => ({
    ...SMS,
    content: TEXT,
    credentials: credentials({ applicationId, privateKey, apiKey, apiSecret }),
  }));
export const whatsappRig = () =>
  new SendRig('whatsapp', new FakeWhatsapp(), ({ accessToken, phoneNumberId }) => ({
    channel: 'chat' as SendChannel,
    to: '+447700900001',
    from: phoneNumberId,
    content: TEXT,
    credentials: credentials({ accessToken }),
  }));
export const sendgridRig = () =>
  new SendRig('sendgrid', new FakeSendgrid(), ({ accessToken }) => ({
    channel: 'email' as SendChannel,
    to: 'ada@example.com',
    from: 'Acme <news@acme.example>',
    content: said({ subject: 'Booked', text: 'Your table is booked', html: '<p>Your table is booked</p>' }),
    credentials: credentials({ accessToken }),
  }));
export const fcmRig = () =>
  new SendRig('fcm', new FakeFcm(), ({ serviceAccount }) => ({
    channel: 'push' as SendChannel,
    to: 'registration-token-1',
    from: '',
    content: said({ title: 'Booked', text: 'Your table is booked' }),
    credentials: credentials(serviceAccount),
  }));
export const endpointRig = () =>
  new SendRig('generic', new FakeEndpoint(), ({ apiKey }) => ({
    ...SMS,
    content: TEXT,
    credentials: credentials({ headers: { 'X-Api-Key': apiKey } }),
  }));
