import type { FindResult, SendAdapter, SendResult } from '../clients/senders/send-adapter.js';
import { type Command } from '../domain/command.js';
import { type CommandAttempt, type CommandChange, moveOf, postponementOf } from '../domain/command-change.js';
import { notFoundIsFinalAtMs } from '../domain/command-step.js';
import { backoffMs } from '../domain/retry-policy.js';
import type { CommandLimits } from './command-limits.js';

/** An attempt that has a row and now an end. */
export type EndedAttempt = Pick<CommandAttempt, 'number' | 'permitId' | 'startedAtMs' | 'durationMs'>;

/** What a judgement depends on, apart from the answer. */
export interface Judgement {
  readonly adapter: Pick<SendAdapter, 'find' | 'timeoutMs' | 'visibilityLagMs'>;
  readonly limits: Pick<
    CommandLimits,
    'attemptsMax' | 'unsentAttemptsMax' | 'retry' | 'permitRetry' | 'lookupsMax' | 'lookup'
  >;
  readonly nowMs: number;
  /** 0 ≤ random < 1 */
  readonly random: number;
}

/** Our codes, where the provider gave none. */
const NOT_SENT = 'egress.failed';
const PERMIT_OVER = 'permit.over';
const NOT_AT_PROVIDER = 'message.not_at_provider';
const DETAIL_LENGTH_MAX = 200;
/** So that all that wait for the same moment do not come at once. */
const RETRY_AFTER_SPREAD = 0.1;
/** Between an answer that was lost and the first question for it. */
const FIRST_LOOKUP_MS = 1_000;

/**
 * What becomes of a command after one time on the wire.
 * Only an answer that says "no", or proof that no byte left, lets it be sent again; anything else is
 * indeterminate, and never repeated.
 * @param command as it is on the wire: `sending`, this attempt counted.
 */
export function judgeSend(
  command: Command,
  ended: EndedAttempt,
  result: SendResult,
  { adapter, limits, nowMs, random }: Judgement,
): CommandChange {
  const attemptOf = (errorCode: string, detail: string): CommandAttempt => ({
    ...ended,
    outcome: result.kind,
    errorCode,
    detail,
  });
  if (result.kind === 'sent') {
    const { providerMessageId } = result;
    return moveOf(command, 'sent', { providerMessageId, attempt: attemptOf('', '') });
  }
  const detail = result.detail.slice(0, DETAIL_LENGTH_MAX);
  if (result.kind === 'unknown') {
    const dueAtMs = adapter.find === undefined ? Infinity : nowMs + FIRST_LOOKUP_MS;
    return moveOf(command, 'indeterminate', { dueAtMs, detail, attempt: attemptOf('', detail) });
  }
  if (result.kind === 'not_sent' && result.isPermitOver === true) {
    // Our own slowness is no reason to give up, and soon over.
    const dueAtMs = Math.min(nowMs + backoffMs(limits.permitRetry, ended.number, random), command.notAfterMs);
    return moveOf(command, 'deferred', { dueAtMs, detail, attempt: attemptOf(PERMIT_OVER, detail) });
  }
  const errorCode = result.kind === 'refused' ? result.errorCode : NOT_SENT;
  const fields = { errorCode, detail, attempt: attemptOf(errorCode, detail) };
  const mayRetry = result.kind === 'not_sent' || result.isRetryable;
  const attemptsMax = result.kind === 'not_sent' ? limits.unsentAttemptsMax : limits.attemptsMax;
  if (!mayRetry || ended.number >= attemptsMax) {
    const signal = result.kind === 'refused' ? result.signal : '';
    return moveOf(command, 'failed', { ...fields, signal });
  }
  const waitMs = Math.max(
    (result.retryAfterMs ?? 0) * (1 + RETRY_AFTER_SPREAD * random),
    backoffMs(limits.retry, ended.number, random),
  );
  return moveOf(command, 'deferred', { ...fields, dueAtMs: Math.min(nowMs + waitMs, command.notAfterMs) });
}

/**
 * What becomes of an indeterminate command after its provider was asked.
 * "Not found" ends it only once the permit, the request and the provider's own delay are over: before that the
 * message may still appear.
 */
export function judgeFind(
  command: Command,
  result: FindResult,
  { adapter, limits, nowMs, random }: Judgement,
): CommandChange {
  const lookupCount = command.lookupCount + 1;
  const ended = { number: command.attemptCount, permitId: '', startedAtMs: command.sentAtMs, durationMs: 0 };
  if (result.kind === 'found') {
    const { providerMessageId } = result;
    const attempt = { ...ended, outcome: 'sent', errorCode: '', detail: 'found at the provider' } as const;
    return moveOf(command, 'sent', { lookupCount, providerMessageId, attempt });
  }
  const finalAtMs = notFoundIsFinalAtMs(command.sentAtMs, adapter);
  if (result.kind === 'not_found' && nowMs >= finalAtMs) {
    const detail = 'the provider does not have it';
    const attempt = { ...ended, outcome: 'not_sent', errorCode: NOT_AT_PROVIDER, detail } as const;
    const fields = { lookupCount, errorCode: NOT_AT_PROVIDER, detail, attempt };
    return command.attemptCount >= limits.attemptsMax
      ? moveOf(command, 'failed', fields)
      : moveOf(command, 'deferred', { ...fields, dueAtMs: nowMs });
  }
  if (lookupCount >= limits.lookupsMax) return postponementOf(command, Infinity, { lookupCount });
  const waitMs = backoffMs(limits.lookup, lookupCount, 0.5 + random / 2);
  const isEarly = result.kind === 'not_found' && nowMs + waitMs < finalAtMs;
  return postponementOf(command, isEarly ? finalAtMs : nowMs + waitMs, { lookupCount });
}
