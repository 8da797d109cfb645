import { z } from 'zod';
import {
  answerOf,
  invalid,
  isTaken,
  jsonOf,
  listAt,
  refusal,
  sent,
  textAt,
  type RefusalRules,
} from './provider-answer.js';
import type {
  FindQuery,
  FindResult,
  SendAdapter,
  SendContent,
  SendRequest,
  SendResult,
} from './send-adapter.js';
import { apiUrl, bearer, getCall, jsonCall, readCredentials, readMedia, required } from './send-call.js';
import { SEND_TIMEOUT_MS, type SendHttp } from './send-http.js';

const API = 'https://api.sendgrid.com';
/** The custom argument that carries our reference; SendGrid repeats it in each event. */
export const SENDGRID_REFERENCE = 'posthorn_message_id';
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const NAMED_MAILBOX = /^\s*"?([^"<>]*?)"?\s*<([^<>]+)>\s*$/;

/** Source: SendGrid, "Mail Send errors": 503 says the API is not available, read 2026-11. */
const RULES: RefusalRules = { provider: 'SendGrid', retryable: new Set(['http.503']) };

const credentials = z.object({ accessToken: z.string().min(1) });

/** Source: SendGrid, "Mail Send" and "Email Activity" of the v3 API, read 2026-11. */
export const sendgrid: SendAdapter = {
  provider: 'sendgrid',
  channels: ['email'],
  timeoutMs: SEND_TIMEOUT_MS,
  visibilityLagMs: 3_600_000,
  ratePerSecond: 500,

  async send(http: SendHttp, request: SendRequest): Promise<SendResult> {
    const { accessToken } = readCredentials(credentials, request.credentials);
    const url = apiUrl(request.apiBaseUrl, API, '/v3/mail/send');
    const answer = answerOf(await http.send(jsonCall(url, bearer(accessToken), bodyOf(request))));
    // Its errors have sentences and fields, but no codes.
    return isTaken(answer)
      ? sent(answer.headers['x-message-id'] ?? '', 'accepted')
      : refusal(answer, '', RULES);
  },

  /** Email Activity, which has to be bought: without it SendGrid answers 403, and a callback has to tell. */
  async find(http: SendHttp, query: FindQuery): Promise<FindResult> {
    const { accessToken } = readCredentials(credentials, query.credentials);
    const filter = new URLSearchParams({
      limit: '1',
      query: `(unique_args['${SENDGRID_REFERENCE}']="${query.messageId}")`,
    });
    const url = apiUrl(query.apiBaseUrl, API, `/v3/messages?${filter.toString().replaceAll('+', '%20')}`);
    const answer = answerOf(await http.ask(getCall(url, bearer(accessToken))));
    const json = jsonOf(answer);
    if (!isTaken(answer) || json === undefined)
      return { kind: 'unknown', detail: `SendGrid answered HTTP ${answer.status}` };
    const [message] = listAt(json, 'messages');
    if (message === undefined) return { kind: 'not_found' };
    // X-Message-Id is what stands before the first dot.
    const id = textAt(message, 'msg_id').split('.', 1)[0]!;
    if (id === '') return { kind: 'unknown', detail: 'SendGrid named no message' };
    return { kind: 'found', providerMessageId: id, state: textAt(message, 'status') };
  },
};

function bodyOf({ to, from, content, messageId }: SendRequest) {
  const { template, subject, data } = content;
  // It takes attachments as bytes only: a URL belongs into the text.
  readMedia(content, 0);
  return {
    personalizations: [
      {
        to: [mailbox(to, 'to')],
        custom_args: { [SENDGRID_REFERENCE]: messageId },
        ...(template !== undefined && { dynamic_template_data: data }),
      },
    ],
    from: mailbox(from, 'from'),
    ...(template === undefined
      ? { subject: required(subject, 'subject'), content: partsOf(content) }
      : { template_id: template.name, ...(subject !== '' && { subject }) }),
    ...(content.unsubscribeUrl !== '' && { headers: unsubscribeHeaders(content.unsubscribeUrl) }),
  };
}

/** Plain text has to come first. */
function partsOf({ text, html }: SendContent): readonly { type: string; value: string }[] {
  const parts = [
    { type: 'text/plain', value: text },
    { type: 'text/html', value: html },
  ].filter(({ value }) => value !== '');
  if (parts.length === 0) throw invalid('request', 'text and html are missing');
  return parts;
}

/**
 * One click takes the recipient off the list; the DKIM signature, which SendGrid makes, has to cover both headers.
 * Source: RFC 8058, section 3.1: an HTTPS URI; plain HTTP only where nobody else gets, on the local platform.
 */
function unsubscribeHeaders(text: string): Record<string, string> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.has(url.hostname));
  if (url === undefined || !isSafe) throw invalid('request', 'the URL to unsubscribe is no https URL');
  return {
    'List-Unsubscribe': `<${url.href}>`,
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  };
}

function mailbox(text: string, name: string): { email: string; name?: string } {
  const [, given, address] = NAMED_MAILBOX.exec(required(text, name)) ?? [];
  if (address === undefined) return { email: text };
  return given === '' || given === undefined ? { email: address } : { email: address, name: given };
}
