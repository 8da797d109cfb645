import {
  ConsentQueryServiceService,
  ConsentServiceService,
  DecisionQueryServiceService,
  PersonQueryServiceService,
  PersonServiceService,
  PolicyServiceService,
  SuppressionQueryServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { StatusServiceService } from '@posthorn/contracts/posthorn/status/v1/status.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const DEADLINE_MS = 5_000;
/** A batch of rows is as many transactions. */
const IMPORT_DEADLINE_MS = 30_000;

/** Suppressions, consents, persons, decisions and policies: reads and changes. */
export class ComplianceClient {
  readonly status;
  readonly query;
  readonly suppressions;
  readonly consentQuery;
  readonly consents;
  readonly personQuery;
  readonly persons;
  readonly decisions;
  readonly policies;
  readonly call = { deadlineMs: DEADLINE_MS };
  readonly importing = { deadlineMs: IMPORT_DEADLINE_MS };

  constructor(private readonly channel: GrpcChannel) {
    this.status = grpcClient(StatusServiceService, channel);
    this.query = grpcClient(SuppressionQueryServiceService, channel);
    this.suppressions = grpcClient(SuppressionServiceService, channel);
    this.consentQuery = grpcClient(ConsentQueryServiceService, channel);
    this.consents = grpcClient(ConsentServiceService, channel);
    this.personQuery = grpcClient(PersonQueryServiceService, channel);
    this.persons = grpcClient(PersonServiceService, channel);
    this.decisions = grpcClient(DecisionQueryServiceService, channel);
    this.policies = grpcClient(PolicyServiceService, channel);
  }

  onApplicationShutdown(): void {
    this.channel.onApplicationShutdown();
  }
}
