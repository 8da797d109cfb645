import { type Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { GrpcMethod, GrpcStreamCall } from '@nestjs/microservices';
import {
  type GetDataKeyRequest,
  type GetDataKeyResponse,
  type WatchRequest,
  type WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { callerOfCall } from '@posthorn/server/grpc-service.js';
import { Health } from '@posthorn/server/health.js';
import { GetDataKey } from '../application/get-data-key.js';
import { type PageSink, WatchConfig } from '../application/watch-config.js';
import { WatcherRegistry } from '../application/watcher-registry.js';
import { type ConfigPage } from '../domain/config-page.js';
import { dataKeyMessage, pageMessage, watcherOf } from './config-messages.js';

const SERVICE = 'ConfigService';
const HELLO_TIMEOUT_MS = 10_000;

type WatchCall = ServerDuplexStream<WatchRequest, WatchResponse>;

/** Configuration for services that keep it in memory. */
@Controller()
export class ConfigController {
  constructor(
    private readonly watchConfig: WatchConfig,
    private readonly registry: WatcherRegistry,
    private readonly dataKeys: GetDataKey,
    private readonly health: Health,
  ) {}

  @GrpcMethod(SERVICE, 'getDataKey')
  async getDataKey(request: GetDataKeyRequest, metadata: Metadata): Promise<GetDataKeyResponse> {
    const { tenantId, dataKeyId } = request;
    const key = await this.dataKeys.run(callerOfCall(metadata), tenantId, Buffer.from(dataKeyId));
    return { dataKey: dataKeyMessage(key) };
  }

  /** The call lives as long as its stream; errors end it with their code. */
  @GrpcStreamCall(SERVICE, 'watch')
  watch(call: WatchCall): void {
    const sink = new StreamSink(call);
    this.health.onDraining(() => sink.close());
    const helloTimer = setTimeout(
      () => sink.fail(new AppError('request.timeout', { detail: 'no hello' })),
      HELLO_TIMEOUT_MS,
    );
    sink.onClose(() => clearTimeout(helloTimer));
    let instanceId: string | undefined;
    call.on('data', ({ message }: WatchRequest) => {
      if (message?.$case === 'confirm') {
        if (instanceId !== undefined) this.registry.confirm(instanceId, message.value.version);
        return;
      }
      if (message?.$case !== 'hello' || instanceId !== undefined)
        return sink.fail(new AppError('request.malformed', { detail: 'expected one hello, then confirms' }));
      clearTimeout(helloTimer);
      instanceId = message.value.instanceId;
      const watch = async (): Promise<void> =>
        this.watchConfig.run(callerOfCall(call.metadata), watcherOf(message.value), sink);
      void watch().then(
        () => sink.close(),
        (error: unknown) => sink.fail(error),
      );
    });
  }
}

/** The sending side of a watch: one page at a time, as fast as the other side reads. */
class StreamSink implements PageSink {
  isOpen = true;
  isDone = false;
  private readonly listeners: (() => void)[] = [];

  constructor(private readonly call: WatchCall) {
    call.on('end', () => {
      // A watcher that ends its side says that it stops. A call that was cut ends, too, a moment before
      // it is known to be cut.
      setImmediate(() => {
        this.isDone = !call.cancelled;
        this.close();
      });
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => this.closed());
  }

  onClose(listener: () => void): void {
    this.listeners.push(listener);
  }

  send(page: ConfigPage): Promise<void> {
    if (!this.isOpen || this.call.write(pageMessage(page))) return Promise.resolve();
    return new Promise((resolve) => {
      this.call.once('drain', resolve);
      this.listeners.push(resolve);
    });
  }

  close(): void {
    if (!this.isOpen) return;
    this.closed();
    this.call.end();
  }

  fail(error: unknown): void {
    if (!this.isOpen) return;
    this.closed();
    this.call.emit('error', error);
  }

  private closed(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const listener of this.listeners.splice(0)) listener();
  }
}
