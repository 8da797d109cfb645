import type { HttpAnswer, HttpOutcome } from './send-http.js';
import type { SendResult, SendSignal } from './send-adapter.js';

/** Codes of a provider whose meaning goes beyond "no". */
export interface RefusalRules {
  /** As it calls itself. */
  readonly provider: string;
  /** The recipient has told the provider to stop. */
  readonly optOut?: ReadonlySet<string>;
  /** The address will never take a message. */
  readonly hardBounce?: ReadonlySet<string>;
  /** Documented: nothing was sent, and the same request may succeed later. Holds also with a status of 5xx. */
  readonly retryable?: ReadonlySet<string>;
}

const TOO_MANY_REQUESTS = 429;
/** The provider did not read all of the request, or says so: what it did with it is not known. */
const REQUEST_TIMEOUT = 408;
const CODE = /^[\w.:#-]{1,64}$/;

/** Ends a send, or a question, from wherever it was found out. */
export class SendEnded extends Error {
  constructor(readonly result: Exclude<SendResult, { kind: 'sent' }>) {
    super(result.kind);
  }
}

/** What we find wrong ourselves, before anything leaves. */
export const invalid = (what: 'request' | 'credentials', detail: string): SendEnded =>
  new SendEnded({
    kind: 'refused',
    errorCode: `${what}.invalid`,
    detail,
    signal: '',
    isRetryable: false,
  });

/** The answer of the call that sends. @throws SendEnded when there is none. */
export function answerOf(outcome: HttpOutcome): HttpAnswer {
  if (outcome.kind === 'answer') return outcome.answer;
  throw new SendEnded(outcome);
}

/** Whether the status says "done". */
export const isTaken = ({ status }: HttpAnswer): boolean => status >= 200 && status < 300;

/** A message that was taken. Without its ID nobody could follow it: then its end is to be asked for. */
export function sent(providerMessageId: string, state: 'accepted' | 'queued' | 'sent'): SendResult {
  const isId = providerMessageId !== '' && providerMessageId.length <= ID_LENGTH_MAX;
  return isId
    ? { kind: 'sent', providerMessageId, state }
    : { kind: 'unknown', detail: 'the answer says done and names no message' };
}
const ID_LENGTH_MAX = 256;

/**
 * What an answer that is no success means.
 * Why 5xx is "not known": a server that fails may have sent before, unless its documentation says otherwise.
 * @param code the provider's own; empty or unreadable: the HTTP status stands for it.
 */
export function refusal(answer: HttpAnswer, code: string, rules: RefusalRules): SendResult {
  const { status, retryAfterMs } = answer;
  const errorCode = CODE.test(code) ? code : `http.${status}`;
  const detail = `${rules.provider} answered ${errorCode} (HTTP ${status})`;
  const isDocumented = rules.retryable?.has(errorCode) ?? false;
  if (!isDocumented && (status >= 500 || status === REQUEST_TIMEOUT || isTaken(answer)))
    return { kind: 'unknown', detail };
  const isRetryable = isDocumented || status === TOO_MANY_REQUESTS;
  return {
    kind: 'refused',
    errorCode,
    detail,
    signal: signalOf(errorCode, rules),
    isRetryable,
    ...(isRetryable && retryAfterMs !== undefined && { retryAfterMs }),
  };
}

export function signalOf(code: string, { optOut, hardBounce }: RefusalRules): SendSignal {
  if (optOut?.has(code) === true) return 'opt_out';
  return hardBounce?.has(code) === true ? 'hard_bounce' : '';
}

/** A JSON answer; undefined when it is none, or was cut off. */
export function jsonOf({ body }: Pick<HttpAnswer, 'body'>): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return undefined;
  }
}

/** What stands at a path, as text; empty where there is none. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  const found = valueAt(value, ...path);
  return typeof found === 'string' || typeof found === 'number' ? String(found) : '';
}

/** The list at a path; empty where there is none. */
export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = valueAt(value, ...path);
  return Array.isArray(found) ? found : [];
}

function valueAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key)
        ? (at as Record<string | number, unknown>)[key]
        : undefined,
    value,
  );
}
