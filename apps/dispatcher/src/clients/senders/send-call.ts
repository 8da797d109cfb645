import type { z } from 'zod';
import { invalid } from './provider-answer.js';
import type { SendContent, SendCredentials } from './send-adapter.js';

const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json' };
const FORM_HEADERS = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };

/** A call with a JSON body. */
export const jsonCall = (url: string, authorization: Readonly<Record<string, string>>, body: unknown) => ({
  url,
  headers: { ...JSON_HEADERS, ...authorization },
  body: Buffer.from(JSON.stringify(body)),
});

/** A call with a form. */
export const formCall = (
  url: string,
  authorization: Readonly<Record<string, string>>,
  fields: URLSearchParams,
) => ({ url, headers: { ...FORM_HEADERS, ...authorization }, body: Buffer.from(fields.toString()) });

/** A lookup. */
export const getCall = (url: string, authorization: Readonly<Record<string, string>>) => ({
  method: 'GET' as const,
  url,
  headers: { accept: 'application/json', ...authorization },
});

export const basic = (user: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** A URL of the provider's API. @param apiBaseUrl empty: the provider's own. */
export const apiUrl = (apiBaseUrl: string, own: string, path: string): string =>
  `${(apiBaseUrl === '' ? own : apiBaseUrl).replace(/\/+$/, '')}${path}`;

/** @throws SendEnded `credentials.invalid` that names the first wrong field, never its value. */
export function readCredentials<T>(schema: z.ZodType<T>, credentials: SendCredentials): T {
  const read = schema.safeParse(credentials);
  if (read.success) return read.data;
  const path = read.error.issues[0]!.path.join('.');
  throw invalid(
    'credentials',
    path === '' ? 'not the fields of this provider' : `${path} is missing or wrong`,
  );
}

/** @throws SendEnded `request.invalid` */
export function required(text: string, name: string): string {
  if (text === '') throw invalid('request', `${name} is missing`);
  return text;
}

/**
 * The media of a message: public URLs, which the provider fetches.
 * @throws SendEnded `request.invalid` when one is no URL, or there are more than it takes.
 */
export function readMedia({ mediaUrls }: SendContent, countMax: number): readonly string[] {
  if (mediaUrls.length > countMax) throw invalid('request', `more than ${countMax} media`);
  if (!mediaUrls.every((url) => URL.canParse(url))) throw invalid('request', 'mediaUrls holds no URL');
  return mediaUrls;
}

/** A phone number as providers want it that take no leading plus. */
export const withoutPlus = (number: string): string => number.replace(/^\+/, '');
