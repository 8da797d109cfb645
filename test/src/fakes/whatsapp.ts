import { createHmac, randomBytes } from 'node:crypto';
import {
  type Accepted,
  bearerOf,
  type FakeReply,
  FakeProvider,
  type FakeRequest,
  isType,
  jsonFields,
  type Sending,
  text,
} from './fake-provider.js';

const PATH = /^(?:\/v\d+\.\d+)?\/(\d+)\/messages$/;
const PHONE = /^\+?[1-9]\d{6,14}$/;
const CALLBACK_DATA_LENGTH_MAX = 512;
const ACCOUNT_ID = '102290129340398';
const MEDIA = ['image', 'video', 'audio', 'document'];

/** WhatsApp Cloud API. Source: Meta, "Messages" and "Status messages webhook reference", read 2026-11. */
export class FakeWhatsapp extends FakeProvider {
  readonly accessToken = `EAA${randomBytes(24).toString('hex')}`;
  readonly appSecret = randomBytes(16).toString('hex');
  readonly phoneNumberId = '106540352242922';
  readonly displayNumber = '15550783881';
  /** Where the app's webhooks go. */
  eventUrl = '';

  /** Posts a state of a message, signed, to the app's URL. */
  async callback(message: Accepted, status: string, times = 1, errorCode = 0): Promise<number[]> {
    const entry = {
      id: message.id,
      status,
      timestamp: String(Math.floor(Date.now() / 1000)),
      recipient_id: message.to,
      ...(message.reference !== '' && { biz_opaque_callback_data: message.reference }),
      ...(errorCode !== 0 && { errors: [{ code: errorCode, title: 'No', message: 'No' }] }),
    };
    const value = {
      messaging_product: 'whatsapp',
      metadata: { display_phone_number: this.displayNumber, phone_number_id: this.phoneNumberId },
      statuses: [entry],
    };
    const body = JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: ACCOUNT_ID, changes: [{ value, field: 'messages' }] }],
    });
    const mac = createHmac('sha256', this.appSecret).update(body).digest('hex');
    const headers = { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${mac}` };
    return this.post({ url: this.eventUrl, headers, body }, times);
  }

  protected handle({ method, url, headers, body }: FakeRequest): Sending | FakeReply {
    if (bearerOf(headers) !== this.accessToken) return refusal(401, 190);
    if (method !== 'POST' || PATH.exec(url.pathname)?.[1] !== this.phoneNumberId) return refusal(404, 100);
    const fields = jsonFields(body);
    if (!isType(headers, 'application/json') || fields === undefined || !isMessage(fields))
      return refusal(400, 100);
    const to = text(fields['to']);
    const waId = to.replace('+', '');
    const message = {
      // Meta's IDs are this text in base64, and end in a null byte.
      id: `wamid.${Buffer.concat([Buffer.from(waId), randomBytes(12), Buffer.alloc(1)]).toString('base64')}`,
      reference: text(fields['biz_opaque_callback_data']),
      to: waId,
      from: this.phoneNumberId,
      text: text((fields['text'] as { body?: unknown } | undefined)?.body),
      callbackUrl: '',
      fields,
    };
    const json = {
      messaging_product: 'whatsapp',
      contacts: [{ input: to, wa_id: waId }],
      messages: [{ id: message.id, message_status: 'accepted' }],
    };
    return { message, reply: { status: 200, json }, refuse: (code) => refusal(400, Number(code)) };
  }
}

function isMessage(fields: Record<string, unknown>): boolean {
  const type = text(fields['type']);
  const content = fields[type] as Record<string, unknown> | undefined;
  if (fields['messaging_product'] !== 'whatsapp' || !PHONE.test(text(fields['to']))) return false;
  if (text(fields['biz_opaque_callback_data']).length > CALLBACK_DATA_LENGTH_MAX) return false;
  if (content === undefined) return false;
  if (type === 'text') return text(content['body']) !== '';
  if (type === 'template')
    return (
      text(content['name']) !== '' &&
      text((content['language'] as { code?: unknown } | undefined)?.code) !== ''
    );
  return MEDIA.includes(type) && URL.canParse(text(content['link']));
}

const refusal = (status: number, code: number): FakeReply => ({
  status,
  json: {
    error: {
      message: `(#${code}) No`,
      type: 'OAuthException',
      code,
      error_data: { messaging_product: 'whatsapp', details: 'No' },
      fbtrace_id: 'Az8or2yhqkZfEZ-_4Qn_Bam',
    },
  },
});
