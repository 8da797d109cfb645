import { type handleUnaryCall, Server, status } from '@grpc/grpc-js';
import {
  type GetPolicyRequest,
  type GetPolicyResponse,
  type ImportSuppressionsRequest,
  type ImportSuppressionsResponse,
  PolicyServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import {
  CommandServiceService,
  type CreateMessageRequest,
  type CreateMessageResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import type { Rig } from './service.rig.js';

/** How a call ends at the far end: answered, or done and the answer lost, or not reached at all. */
export type CallEnd = 'answered' | 'answer lost' | 'not reached';

/** Dispatcher and compliance as rules see them: they keep their contracts, each effect by its key. */
export class RuleEnds {
  /** Every call, also repeated ones. */
  readonly calls: CreateMessageRequest[] = [];
  readonly suppressed: ImportSuppressionsRequest[] = [];
  /** The ends of the calls to come; `answered` after those. */
  readonly ends: CallEnd[] = [];
  /** What the policy of every tenant answers with. */
  answers = { optOutText: '', helpText: '' };
  private readonly made = new Map<string, string>();

  /** Messages that were made: one for a rule and its event. */
  get messages(): ReadonlyMap<string, string> {
    return this.made;
  }

  async open(rig: Rig): Promise<NodeJS.ProcessEnv> {
    const [dispatcher, compliance] = [new Server(), new Server()];
    dispatcher.addService(CommandServiceService, {
      createMessage: this.createMessage,
      cancelMessage: unimplemented,
      resolveMessage: unimplemented,
    });
    compliance.addService(SuppressionServiceService, {
      createSuppression: unimplemented,
      deleteSuppression: unimplemented,
      correctSuppression: unimplemented,
      importSuppressions: this.importSuppressions,
      decideReview: unimplemented,
    });
    compliance.addService(PolicyServiceService, { getPolicy: this.getPolicy, putPolicy: unimplemented });
    return {
      DISPATCHER_ADDRESS: await rig.listen('dispatcher', dispatcher),
      COMPLIANCE_ADDRESS: await rig.listen('compliance', compliance),
    };
  }

  private readonly createMessage: handleUnaryCall<CreateMessageRequest, CreateMessageResponse> = (
    { request },
    answer,
  ) => {
    const end = this.ends.shift() ?? 'answered';
    this.calls.push(request);
    if (end === 'not reached') return answer({ code: status.UNAVAILABLE });
    const key = `${request.ruleId} ${request.triggerEventId}`;
    const isRepeated = this.made.has(key);
    const id = this.made.get(key) ?? `msg_${this.made.size}`;
    this.made.set(key, id);
    if (end === 'answer lost') return answer({ code: status.UNAVAILABLE });
    answer(null, { command: { ...COMMAND, id }, isRepeated });
  };

  private readonly getPolicy: handleUnaryCall<GetPolicyRequest, GetPolicyResponse> = (_, answer) =>
    answer(null, {
      ...{ version: 1, createdAtMs: 0, actorId: '' },
      policyJson: JSON.stringify({ answers: this.answers }),
    });

  private readonly importSuppressions: handleUnaryCall<
    ImportSuppressionsRequest,
    ImportSuppressionsResponse
  > = ({ request }, answer) => {
    this.suppressed.push(request);
    const isRefused = request.rows[0]?.scope === 'refuse me';
    const row = isRefused
      ? { outcome: 'refused', id: '', path: 'scope', detail: 'is unknown' }
      : { outcome: 'created', id: 'sup_1', path: '', detail: '' };
    answer(null, { results: [row] });
  };
}

const unimplemented: handleUnaryCall<unknown, never> = (_, answer) => answer({ code: status.UNIMPLEMENTED });

const COMMAND = {
  ...{
    id: '',
    sourceId: '',
    channel: 'sms',
    category: '',
    campaign: '',
    state: 'accepted',
    stateChangedAtMs: 0,
  },
  ...{
    decisionRule: '',
    decisionDetail: '',
    errorCode: '',
    detail: '',
    providerMessageId: '',
    attemptCount: 0,
  },
  ...{
    nextAttemptAtMs: 0,
    notAfterMs: 0,
    createdAtMs: 0,
    finishedAtMs: 0,
    sender: 'bot',
    conversationId: '',
  },
  ...{ ruleId: '', triggerEventId: '', isWaitingForPerson: false, attempts: [], personHash: '' },
};
