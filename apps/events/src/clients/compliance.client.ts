import {
  PersonServiceService,
  SendPreviewServiceService,
  PolicyServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { formatId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';
import type { Standing } from '../domain/handoff-package.js';
import type { AnsweredSignal } from '../domain/rule.js';

const DEADLINE_MS = 5_000;
/** A hand-off does not wait longer for what it can do without. */
const PREVIEW_DEADLINE_MS = 500;

/** The connection to compliance. */
export class ComplianceChannel extends GrpcChannel {}

/** Whom a rule suppresses, and for what. IDs in their public form; empty channel, scope and reason stand for all, all and manual. */
export interface RuleSuppression {
  readonly tenantId: string;
  readonly ruleId: string;
  readonly personId: string;
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
  readonly traceparent: string;
}

/** Who would be written to: IDs in their public form. */
export interface Recipient {
  readonly tenantId: string;
  readonly personId: string;
  readonly channel: string;
  /** Empty = not known. */
  readonly address: string;
  readonly provider: string;
  readonly lastInboundAtMs: number;
}

/** Who keeps suppressions. */
export class ComplianceClient {
  private readonly suppressions;
  private readonly persons;
  private readonly previews;
  private readonly policies;

  constructor(channel: ComplianceChannel) {
    this.persons = grpcClient(PersonServiceService, channel);
    this.previews = grpcClient(SendPreviewServiceService, channel);
    this.policies = grpcClient(PolicyServiceService, channel);
    this.suppressions = grpcClient(SuppressionServiceService, channel);
  }

  /**
   * The same again gives the one that is in force. By person: the address stays encrypted here.
   * @returns `sup_…`. @throws AppError `request.invalid` with what compliance refuses, `service.unavailable`,
   * `service.deadline`.
   */
  async suppress(wanted: RuleSuppression): Promise<string> {
    const { tenantId, ruleId, personId, channel, scope, reason, traceparent } = wanted;
    const { results } = await this.suppressions.importSuppressions(
      { tenantId, actorId: ruleId, rows: [{ address: '', personId, channel, scope, reason }] },
      { deadlineMs: DEADLINE_MS, ...(traceparent !== '' && { traceparent }) },
    );
    const result = results[0];
    if (result === undefined || result.outcome === 'refused')
      throw new AppError('request.invalid', { detail: `${result?.path}: ${result?.detail}` });
    return result.id;
  }

  /**
   * What a tenant's policy answers an opt-out or HELP with.
   * @param tenantId `ten_…` @returns empty when it says nothing. @throws AppError `service.unavailable`, `service.deadline`.
   */
  async answerText(tenantId: string, signal: AnsweredSignal): Promise<string> {
    const { policyJson } = await this.policies.getPolicy({ tenantId }, { deadlineMs: DEADLINE_MS });
    const { answers } = JSON.parse(policyJson) as { readonly answers?: Partial<Record<string, string>> };
    return answers?.[signal === 'opt_out' ? 'optOutText' : 'helpText'] ?? '';
  }

  /** What may be sent to a person now. @throws AppError `service.unavailable`, `service.deadline`. */
  async standing(recipient: Recipient): Promise<Standing> {
    const call = { deadlineMs: PREVIEW_DEADLINE_MS };
    const { consentStatus, previews } = await this.previews.previewSends({ ...recipient }, call);
    return { consentStatus, classes: previews };
  }

  /**
   * Takes away what may say who a person is, address by address: whom it is linked with may not be known there.
   * @param tenantId 16 bytes. @throws AppError `tenant.not_found`, `service.unavailable`, `service.deadline`.
   */
  async erasePerson(tenantId: Buffer, actorId: string, personHashes: readonly Buffer[]): Promise<void> {
    for (const hash of personHashes)
      await this.persons.erasePerson(
        { tenantId: formatId('ten', tenantId), actorId, personId: formatId('per', hash) },
        { deadlineMs: DEADLINE_MS },
      );
  }
}
