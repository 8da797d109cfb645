import fc from 'fast-check';
import { ProviderRequest } from './provider-request.js';
import type { CommonSettings, Provider, ProviderSecret } from './provider.js';
import { RequestHeaders } from './request-headers.js';
import { verifyRequest } from './verify-request.js';

/** A request as an official package is given it too: a text, and headers by their names in lower case. */
export interface Posted {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

const defaults = new Map<string, CommonSettings>();

function defaultsOf(provider: Provider): CommonSettings {
  const read = defaults.get(provider.id) ?? (provider.settings.parse({}) as CommonSettings);
  defaults.set(provider.id, read);
  return read;
}

/** Whether our adapter lets a request in. @param settings as a tenant writes them. @param nowMs Unix milliseconds. */
export function isAccepted(
  provider: Provider,
  { body, headers }: Posted,
  secret: string | readonly ProviderSecret[],
  nowMs: number,
  settings?: object,
): boolean {
  const fields = new RequestHeaders(Object.entries(headers).flat());
  const request = new ProviderRequest('POST', '/', 'https://x.example/', fields, Buffer.from(body));
  const secrets = typeof secret === 'string' ? [{ id: 'sec_1', value: secret }] : secret;
  const read =
    settings === undefined ? defaultsOf(provider) : (provider.settings.parse(settings) as CommonSettings);
  return verifyRequest(provider, request, secrets, read, nowMs).isAuthentic;
}

/** Whether a package takes what it says no to by throwing. */
export function passes(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

/** The same of a package that answers by a promise. */
export const settles = (check: Promise<unknown>): Promise<boolean> =>
  check.then(
    () => true,
    () => false,
  );

/**
 * The time, in Unix seconds: some packages read the clock themselves.
 * Keep what depends on it seconds away from every edge.
 */
export const wallClockSeconds = (): number => Math.floor((performance.timeOrigin + performance.now()) / 1000);

/** Seconds within and beyond the five minutes that packages allow, away from the edges. */
export const offsets = fc.oneof(
  { arbitrary: fc.integer({ min: -290, max: 290 }), weight: 3 },
  fc.constantFrom(-86_400, -310, 310, 86_400),
);

/** Bodies that are texts, and not empty: packages read bytes as UTF-8, and some take no empty ones. */
export const bodies = fc.oneof(
  fc.json(),
  fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.startsWith('\ufeff')),
);

const EDITS = ['replace', 'insert', 'remove', 'cut', 'upper', 'lower', 'twice'] as const;

/** A small change to one part of a request. */
export const alterations = fc.record({
  part: fc.nat(),
  place: fc.nat(),
  edit: fc.constantFrom(...EDITS),
  char: fc.constantFrom(...'019aAfF=+/-_ .,:;|{}"'),
});
export type Alteration = ReturnType<typeof alterations.generate>['value'];

/** A request in which one part, the body or a header's value, is another text or happens to be the same. */
export function altered({ body, headers }: Posted, alteration: Alteration): Posted {
  const names = ['', ...Object.keys(headers)];
  const name = names[alteration.part % names.length]!;
  return name === ''
    ? { headers, body: edited(body, alteration) }
    : { body, headers: { ...headers, [name]: edited(headers[name]!, alteration) } };
}

function edited(text: string, { place, edit, char }: Alteration): string {
  const at = place % (text.length + 1);
  switch (edit) {
    case 'replace':
      return text.slice(0, at) + char + text.slice(at + 1);
    case 'insert':
      return text.slice(0, at) + char + text.slice(at);
    case 'remove':
      return text.slice(0, at) + text.slice(at + 1);
    case 'cut':
      return text.slice(0, at);
    case 'upper':
      return text.toUpperCase();
    case 'lower':
      return text.toLowerCase();
    case 'twice':
      return `${text}${char}${text}`;
  }
}
