import { z } from 'zod';
import {
  answerOf,
  invalid,
  isTaken,
  jsonOf,
  refusal,
  sent,
  textAt,
  type RefusalRules,
} from './provider-answer.js';
import type { SendAdapter, SendContent, SendRequest, SendResult } from './send-adapter.js';
import { apiUrl, bearer, jsonCall, readCredentials, readMedia, required, withoutPlus } from './send-call.js';
import { SEND_TIMEOUT_MS, type SendHttp } from './send-http.js';

const API = 'https://graph.facebook.com/v23.0';
const MEDIA_MAX = 1;

/** Source: Meta, "Cloud API error codes", read 2026-11. */
const RULES: RefusalRules = {
  provider: 'WhatsApp',
  // The recipient has stopped marketing messages of this business.
  optOut: new Set(['131050']),
  retryable: new Set([
    // Limits: of the app, the account, the number, for spam, of the pair of addresses.
    ...['4', '80007', '130429', '131048', '131056'],
    // Failed to send for an unknown reason; the account is being maintained.
    ...['131000', '131057'],
  ]),
};

/** What a medium is, by the end of its path. */
const MEDIA_TYPES: readonly (readonly [RegExp, 'image' | 'video' | 'audio'])[] = [
  [/\.(jpe?g|png)$/i, 'image'],
  [/\.(mp4|3gp)$/i, 'video'],
  [/\.(aac|amr|mp3|m4a|ogg)$/i, 'audio'],
];

const credentials = z.object({ accessToken: z.string().min(1) });

/**
 * WhatsApp Cloud API. It cannot be asked for a message; our reference comes back in each status.
 * Source: Meta, "Messages" of the Cloud API, read 2026-11.
 */
export const whatsapp: SendAdapter = {
  provider: 'whatsapp',
  channels: ['chat'],
  timeoutMs: SEND_TIMEOUT_MS,
  visibilityLagMs: 300_000,
  ratePerSecond: 80,

  async send(http: SendHttp, request: SendRequest): Promise<SendResult> {
    const { accessToken } = readCredentials(credentials, request.credentials);
    const url = apiUrl(request.apiBaseUrl, API, `/${phoneNumberId(request)}/messages`);
    const body = {
      messaging_product: 'whatsapp',
      recipient_type: 'individual',
      to: withoutPlus(required(request.to, 'to')),
      ...messageOf(request.content),
      biz_opaque_callback_data: request.messageId,
    };
    const answer = answerOf(await http.send(jsonCall(url, bearer(accessToken), body)));
    const json = jsonOf(answer);
    if (!isTaken(answer)) return refusal(answer, textAt(json, 'error', 'code'), RULES);
    return sent(textAt(json, 'messages', 0, 'id'), 'accepted');
  },
};

/** The sender: named by the message, else the only one of the source. */
function phoneNumberId({ from, settings }: SendRequest): string {
  const known = settings['phoneNumberIds'];
  const only: unknown = Array.isArray(known) && known.length === 1 ? known[0] : '';
  const id = from === '' ? String(only) : from;
  if (!/^\d{1,32}$/.test(id)) throw invalid('request', 'from is no phone number ID');
  return id;
}

function messageOf(content: SendContent): Record<string, unknown> {
  const { text, template } = content;
  if (template !== undefined) {
    const parameters = template.parameters.map((value) => ({ type: 'text', text: value }));
    return {
      type: 'template',
      template: {
        name: template.name,
        language: { code: template.language },
        ...(parameters.length > 0 && { components: [{ type: 'body', parameters }] }),
      },
    };
  }
  const [link] = readMedia(content, MEDIA_MAX);
  if (link === undefined) return { type: 'text', text: { preview_url: false, body: required(text, 'text') } };
  const type = mediaType(link);
  if (type === 'audio' && text !== '') throw invalid('request', 'audio has no text');
  return { type, [type]: { link, ...(text !== '' && { caption: text }) } };
}

function mediaType(link: string): 'image' | 'video' | 'audio' | 'document' {
  const { pathname } = new URL(link);
  return MEDIA_TYPES.find(([end]) => end.test(pathname))?.[1] ?? 'document';
}
