/** The settings of one invocation, from flags, environment and file (design: flag before environment before file before default). */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** Consul's ACL token, and what an event's payload must be when it is set. Never printed. */
  readonly token?: string;
  readonly insecureSkipVerify: boolean;
  readonly proxyHost?: string;
  readonly proxyPort?: number;
  readonly noProxy?: string;
  readonly serviceManager: 'init' | 'systemd';
  /** Schedule files, in order, absolute paths. */
  readonly files: readonly string[];
  readonly role: string;
  /** Whether a step without targets is skipped when the step does not say. */
  readonly skippable: boolean;
  readonly debug: boolean;
  /** Of every key in the store; ends with a slash. */
  readonly prefix: string;
  /** Lockfile, spool and records of running tasks; absolute. */
  readonly stateDir: string;
  /** Overrides the Consul agent's own node name. */
  readonly node?: string;
  readonly logFormat: 'text' | 'json';
  readonly caCert?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  /** User variables, from the variables file and `--var`. */
  readonly variables: Readonly<Record<string, string>>;
}
