import {
  PersonServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { formatId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const DEADLINE_MS = 5_000;

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

/** Who keeps suppressions. */
export class ComplianceClient {
  private readonly suppressions;
  private readonly persons;

  constructor(channel: ComplianceChannel) {
    this.persons = grpcClient(PersonServiceService, channel);
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
