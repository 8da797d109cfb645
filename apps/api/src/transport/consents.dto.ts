import {
  type Consent,
  type ConsentProof,
  type ConsentRow,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { z } from 'zod';
import { anyChannel, bodyMoment, idOf, msOf, page, textOf, time, timeAt, timeOf } from './shapes.dto.js';
import { address } from './suppressions.dto.js';

const NAME_MAX = 64;
const WORDING_MAX = 2_000;
const URL_MAX = 2_048;
const NOTE_MAX = 500;
const METHODS = ['web_form', 'keyword', 'paper', 'phone', 'api', 'import'] as const;
const STATUSES = ['pending', 'opted_in', 'opted_out'] as const;

const proofFields = z.strictObject({
  eventId: idOf('evt').optional().describe('the event that it came with'),
  wording: z.string().max(WORDING_MAX).optional().describe('what the person agreed to, word for word'),
  wordingVersion: z.string().max(NAME_MAX).optional(),
  method: z.enum(METHODS).optional(),
  url: z.string().max(URL_MAX).optional(),
  ip: z.union([z.ipv4(), z.ipv6()]).optional(),
  note: z.string().max(NOTE_MAX).optional(),
});
const entry = {
  channel: anyChannel.default('all'),
  program: z.string().max(NAME_MAX).default('').describe('what it is limited to; empty: nothing'),
  status: z.enum(STATUSES).describe('pending: double opt-in was asked for'),
  proof: proofFields.optional(),
  occurredAt: bodyMoment.optional().describe('when it was given; now, when absent'),
};
export const consentsQuery = page.extend({ personId: idOf('per').optional() });
export const consentsExportQuery = consentsQuery.omit({ limit: true, cursor: true });
export const createConsent = z.strictObject({ address, ...entry });
export const consentRow = z
  .strictObject({
    address: address.optional(),
    personId: idOf('per').optional().describe('of an earlier export, in place of the address'),
    ...entry,
    occurredAt: bodyMoment.describe('needed here: the same row again is the same entry'),
  })
  .refine((row) => (row.address === undefined) !== (row.personId === undefined), {
    path: ['address'],
    message: 'either address or personId must be given',
  });

const proof = z.object({
  eventId: z.string().nullable(),
  wording: z.string().nullable(),
  wordingVersion: z.string().nullable(),
  method: z.string().nullable(),
  url: z.string().nullable(),
  ip: z.string().nullable(),
  note: z.string().nullable(),
});
export const consent = z.object({
  id: z.string(),
  personId: z.string(),
  channel: z.string(),
  program: z.string(),
  kind: z.string().describe('what the entry says; of events also opt_in, complaint, hard_bounce'),
  status: z
    .enum(['unknown', 'pending', 'opted_in', 'opted_out', 'suppressed'])
    .describe('where the person stands now'),
  occurredAt: time.nullable(),
  createdAt: time,
  eventId: z.string().nullable(),
  actorId: z.string().nullable(),
  proof: proof.nullable().describe('null after an erasure, and for operators without payloads:read'),
});

const proofMessage = (from: z.infer<typeof proofFields> | undefined): ConsentProof | undefined =>
  from && {
    ...{
      eventId: from.eventId ?? '',
      wording: from.wording ?? '',
      wordingVersion: from.wordingVersion ?? '',
    },
    ...{ method: from.method ?? '', url: from.url ?? '', ip: from.ip ?? '', note: from.note ?? '' },
  };

/** An entry or a row of an import, for compliance. */
export const consentRowOf = (
  from: z.infer<typeof createConsent> | z.infer<typeof consentRow>,
): ConsentRow => ({
  ...{ address: from.address ?? '', personId: 'personId' in from ? (from.personId ?? '') : '' },
  ...{ channel: from.channel, program: from.program, status: from.status },
  proof: proofMessage(from.proof),
  occurredAtMs: msOf(from.occurredAt),
});

/** An entry of the history as the API shows it. */
export const consentOf = (from: Consent, isProofShown: boolean): z.infer<typeof consent> => ({
  id: from.id,
  personId: from.personId,
  channel: from.channel,
  program: from.program,
  kind: from.kind,
  status: from.status as 'unknown',
  occurredAt: timeOf(from.occurredAtMs),
  createdAt: timeAt(from.createdAtMs),
  eventId: textOf(from.eventId),
  actorId: textOf(from.actorId),
  proof: from.proof !== undefined && isProofShown ? proofOf(from.proof) : null,
});

const proofOf = (from: ConsentProof): z.infer<typeof proof> => ({
  eventId: textOf(from.eventId),
  wording: textOf(from.wording),
  wordingVersion: textOf(from.wordingVersion),
  method: textOf(from.method),
  url: textOf(from.url),
  ip: textOf(from.ip),
  note: textOf(from.note),
});
