import {
  ConversationQueryServiceService,
  EventQueryServiceService,
  HandoffServiceService,
  IntakeOperationServiceService,
  IntakeQueryServiceService,
  RuleQueryServiceService,
  RuleServiceService,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import {
  SourceFiguresServiceService,
  StatusServiceService,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const READ_DEADLINE_MS = 5_000;
const ACT_DEADLINE_MS = 5_000;
/** A thousand events judged by a rule. */
const LONG_DEADLINE_MS = 30_000;

/** Events, messages, conversations, rules and intake: reads, and what people do about them. */
export class EventsClient {
  readonly status;
  readonly figures;
  readonly query;
  readonly conversations;
  readonly handoffs;
  readonly rules;
  readonly ruleQuery;
  readonly intake;
  readonly intakeQuery;
  readonly read = { deadlineMs: READ_DEADLINE_MS };
  readonly act = { deadlineMs: ACT_DEADLINE_MS };
  readonly long = { deadlineMs: LONG_DEADLINE_MS };

  constructor(private readonly channel: GrpcChannel) {
    this.status = grpcClient(StatusServiceService, channel);
    this.figures = grpcClient(SourceFiguresServiceService, channel);
    this.query = grpcClient(EventQueryServiceService, channel);
    this.conversations = grpcClient(ConversationQueryServiceService, channel);
    this.handoffs = grpcClient(HandoffServiceService, channel);
    this.rules = grpcClient(RuleServiceService, channel);
    this.ruleQuery = grpcClient(RuleQueryServiceService, channel);
    this.intake = grpcClient(IntakeOperationServiceService, channel);
    this.intakeQuery = grpcClient(IntakeQueryServiceService, channel);
  }

  onApplicationShutdown(): void {
    this.channel.onApplicationShutdown();
  }
}
