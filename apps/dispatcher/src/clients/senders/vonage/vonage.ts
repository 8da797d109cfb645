import { z } from 'zod';
import { readCredentials } from '../send-call.js';
import type { FindQuery, FindResult, SendAdapter, SendRequest, SendResult } from '../send-adapter.js';
import { SEND_TIMEOUT_MS, type SendHttp } from '../send-http.js';
import { findInReports } from './reports.js';
import { sendMessage } from './messages-api.js';
import { sendSms } from './sms-api.js';

const account = { apiKey: z.string().min(1), apiSecret: z.string().min(1) };
/** An application sends by the Messages API, an account by the SMS API. */
const credentials = z.union([
  z.object({
    applicationId: z.string().min(1),
    privateKey: z.string().min(1),
    apiKey: account.apiKey.optional(),
    apiSecret: account.apiSecret.optional(),
  }),
  z.object(account),
]);

/** Vonage: SMS, by the older API or by the Messages API. */
export const vonage: SendAdapter = {
  provider: 'vonage',
  channels: ['sms'],
  timeoutMs: SEND_TIMEOUT_MS,
  // Records are written for reports, not for questions of the moment.
  visibilityLagMs: 3_600_000,
  ratePerSecond: 30,

  send(http: SendHttp, request: SendRequest): Promise<SendResult> {
    const given = readCredentials(credentials, request.credentials);
    return 'applicationId' in given ? sendMessage(http, request, given) : sendSms(http, request, given);
  },

  async find(http: SendHttp, query: FindQuery): Promise<FindResult> {
    const given = readCredentials(credentials, query.credentials);
    const { apiKey, apiSecret } = given;
    if (apiKey === undefined || apiSecret === undefined)
      return { kind: 'unknown', detail: 'reports want apiKey and apiSecret' };
    const product = 'applicationId' in given ? 'MESSAGES' : 'SMS';
    return findInReports(http, query, product, { apiKey, apiSecret });
  },
};
