// Types for the parts of the package ssh2 that are used here; the package has none for them.

declare module 'ssh2/lib/protocol/Protocol.js' {
  export interface PublicKeyProof {
    readonly key: Buffer;
    readonly keyAlgo: string;
    readonly hashAlgo?: string;
    /** Absent: the client asks whether the key would be accepted. */
    readonly signature?: Buffer;
    /** The signed data. */
    readonly blob?: Buffer;
  }

  export interface OpenedChannel {
    readonly type: string;
    readonly sender: number;
    readonly window: number;
    readonly packetSize: number;
    readonly data: Readonly<Record<string, unknown>>;
  }

  export interface ConfirmedChannel extends Omit<OpenedChannel, 'type' | 'data'> {
    readonly recipient: number;
  }

  /** Called with data from the client. */
  export interface MessageHandlers {
    DISCONNECT(protocol: Protocol): void;
    SERVICE_REQUEST(protocol: Protocol, name: string): void;
    USERAUTH_REQUEST(
      protocol: Protocol,
      user: string,
      service: string,
      method: string,
      data: unknown,
    ): void;
    GLOBAL_REQUEST(protocol: Protocol, name: string, wantReply: boolean, data: unknown): void;
    CHANNEL_OPEN(protocol: Protocol, opened: OpenedChannel): void;
    CHANNEL_OPEN_CONFIRMATION(protocol: Protocol, confirmed: ConfirmedChannel): void;
    CHANNEL_OPEN_FAILURE(
      protocol: Protocol,
      recipient: number,
      reason: number,
      description: string,
    ): void;
    CHANNEL_WINDOW_ADJUST(protocol: Protocol, recipient: number, bytes: number): void;
    CHANNEL_DATA(protocol: Protocol, recipient: number, data: Buffer): void;
    CHANNEL_EOF(protocol: Protocol, recipient: number): void;
    CHANNEL_CLOSE(protocol: Protocol, recipient: number): void;
    CHANNEL_REQUEST(
      protocol: Protocol,
      recipient: number,
      type: string,
      wantReply: boolean,
      data: unknown,
    ): void;
  }

  export default class Protocol {
    constructor(config: {
      server: true;
      hostKeys: Readonly<Record<string, unknown>>;
      ident: string;
      offer: unknown;
      onWrite: (data: Buffer) => void;
      onError: (error: Error) => void;
      onHandshakeComplete: () => void;
      messageHandlers: MessageHandlers;
    });
    start(): void;
    parse(chunk: Buffer, start: number, end: number): void;
    cleanup(): void;
    disconnect(reason: number): void;
    serviceAccept(name: string): void;
    authFailure(methods: readonly string[], isPartial: boolean): void;
    authPKOK(algorithm: string, key: Buffer): void;
    authSuccess(): void;
    requestSuccess(data?: Buffer): void;
    requestFailure(): void;
    channelOpenConfirm(remote: number, local: number, window: number, packetSize: number): void;
    channelOpenFail(remote: number, reason: number, description: string): void;
    channelWindowAdjust(remote: number, bytes: number): void;
    channelData(remote: number, data: Buffer): void;
    channelExtData(remote: number, data: Buffer, type: number): void;
    channelEOF(remote: number): void;
    channelClose(remote: number): void;
    channelSuccess(remote: number): void;
    channelFailure(remote: number): void;
    exitStatus(remote: number, status: number): void;
    exitSignal(remote: number, name: string, coreDumped: boolean, message: string): void;
    forwardedTcpip(
      local: number,
      window: number,
      packetSize: number,
      place: {
        boundAddr: string;
        boundPort: number;
        remoteAddr: string;
        remotePort: number;
      },
    ): void;
    openssh_forwardedStreamLocal(
      local: number,
      window: number,
      packetSize: number,
      place: { socketPath: string },
    ): void;
    openssh_authAgent(local: number, window: number, packetSize: number): void;
  }
}

declare module 'ssh2/lib/protocol/kex.js' {
  const kex: { KexInit: new (offer: unknown) => unknown };
  export default kex;
}

declare module 'ssh2/lib/protocol/crypto.js' {
  const crypto: { init: Promise<void> };
  export default crypto;
}

declare module 'ssh2/lib/protocol/keyParser.js' {
  export interface ParsedKey {
    readonly type: string;
    getPublicSSH(): Buffer;
    isPrivateKey(): boolean;
    verify(data: Buffer, signature: Buffer, hashAlgorithm?: string): boolean | Error;
  }
  const keyParser: { parseKey(text: string): ParsedKey | Error };
  export default keyParser;
}

declare module 'ssh2/lib/keygen.js' {
  const keygen: {
    generateKeyPairSync(
      type: 'ed25519',
      options: { comment: string },
    ): { private: string; public: string };
  };
  export default keygen;
}
