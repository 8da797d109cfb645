import { invalid, SendEnded } from './provider-answer.js';
import type { FindQuery, FindResult, SendAdapter, SendRequest, SendResult } from './send-adapter.js';
import type { HttpOutcome, SendHttp } from './send-http.js';

/** Keeps the promises of an adapter: it never throws, sends at most once, and only over its channels. */
export function neverThrowing(adapter: SendAdapter): SendAdapter {
  const send = async (http: SendHttp, request: SendRequest): Promise<SendResult> => {
    const once = new SendOnce(http);
    try {
      if (!adapter.channels.includes(request.channel))
        throw invalid('request', `${adapter.provider} has no channel ${request.channel}`);
      return await adapter.send(once, request);
    } catch (error) {
      if (error instanceof SendEnded) return error.result;
      // A bug of ours. What it means depends on whether the request had left.
      const detail = 'internal error';
      return once.hasLeft ? { kind: 'unknown', detail } : { kind: 'not_sent', detail };
    }
  };
  const { find } = adapter;
  if (find === undefined) return { ...adapter, send };
  return {
    ...adapter,
    send,
    async find(http: SendHttp, query: FindQuery): Promise<FindResult> {
      try {
        return await find.call(adapter, http, query);
      } catch (error) {
        const detail = error instanceof SendEnded ? error.result.detail : 'internal error';
        return { kind: 'unknown', detail };
      }
    },
  };
}

class SendOnce implements SendHttp {
  hasLeft = false;
  private isUsed = false;

  constructor(private readonly http: SendHttp) {}

  async send(call: Parameters<SendHttp['send']>[0]): Promise<HttpOutcome> {
    if (this.isUsed) throw new Error('an adapter sends once');
    this.isUsed = true;
    // Until it is known that nothing left, it may have.
    this.hasLeft = true;
    const outcome = await this.http.send(call);
    this.hasLeft = outcome.kind !== 'not_sent';
    return outcome;
  }

  ask(call: Parameters<SendHttp['ask']>[0]): Promise<HttpOutcome> {
    return this.http.ask(call);
  }

  nowMs(): number {
    return this.http.nowMs();
  }
}
