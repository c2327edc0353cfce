{{- /* Made by charts/generate-library.ts from src/injection: change that. */ -}}
{{- define "carpool-lib.data" -}}
{
  "version": "0.1.0",
  "names": {
    "container": "carpool",
    "volumes": [
      "carpool-config",
      "carpool-run",
      "carpool-api-access"
    ],
    "meshes": [
      "istio-proxy",
      "linkerd-proxy"
    ],
    "prefix": "carpool.dev/",
    "label": "carpool.dev/injected",
    "record": "carpool.dev/injection",
    "discovery": "carpool.dev/discovery",
    "defaultContainer": "kubectl.kubernetes.io/default-container",
    "noDiscovery": "CARPOOL_DISCOVERY_KUBERNETES_ENABLED"
  },
  "defaults": {
    "imagePullPolicy": "IfNotPresent",
    "mode": "auto",
    "port": 14140,
    "operatorPort": 14191,
    "httpsProxy": false,
    "noProxy": [],
    "java": false,
    "configMap": "carpool",
    "apiAccess": true,
    "runAsUser": 65532,
    "resources": {
      "requests": {
        "cpu": "20m",
        "memory": "96Mi"
      },
      "limits": {
        "memory": "256Mi"
      }
    },
    "preStopSeconds": 5,
    "env": {},
    "image": "carpool:0.1.0"
  },
  "schema": {
    "image": {
      "type": "string",
      "pattern": "^\\S+$"
    },
    "imagePullPolicy": {
      "type": "string",
      "enum": [
        "Always",
        "IfNotPresent",
        "Never"
      ]
    },
    "mode": {
      "type": "string",
      "enum": [
        "native",
        "legacy",
        "auto"
      ]
    },
    "port": {
      "type": "integer",
      "minimum": 1,
      "maximum": 65535
    },
    "operatorPort": {
      "type": "integer",
      "minimum": 1,
      "maximum": 65535
    },
    "httpsProxy": {
      "type": "boolean"
    },
    "noProxy": {
      "type": "array"
    },
    "java": {
      "type": "boolean"
    },
    "configMap": {
      "type": "string",
      "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
    },
    "apiAccess": {
      "type": "boolean"
    },
    "runAsUser": {
      "type": [
        "integer",
        "null"
      ],
      "minimum": 1,
      "maximum": 2147483647
    },
    "resources": {
      "type": "object"
    },
    "preStopSeconds": {
      "type": "integer",
      "minimum": 0,
      "maximum": 3600
    },
    "env": {
      "type": "object"
    }
  },
  "logLevels": [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "fatal",
    "silent"
  ],
  "noProxy": {
    "always": [
      "localhost",
      "127.0.0.1",
      "::1",
      "169.254.169.254",
      "169.254.170.2",
      "169.254.170.23",
      "metadata.google.internal",
      "$(KUBERNETES_SERVICE_HOST)",
      "kubernetes.default.svc"
    ],
    "entry": "^(\\$\\([A-Za-z_][A-Za-z0-9_]*\\)|[A-Za-z0-9.*_:/[\\]-]+)$"
  },
  "proxyNames": [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "grpc_proxy",
    "GRPC_PROXY"
  ],
  "noProxyNames": [
    "NO_PROXY",
    "no_proxy"
  ],
  "variables": [
    {
      "name": "HTTP_PROXY",
      "value": "http://127.0.0.1:59901"
    },
    {
      "name": "http_proxy",
      "value": "http://127.0.0.1:59901"
    },
    {
      "name": "grpc_proxy",
      "value": "http://127.0.0.1:59901"
    },
    {
      "name": "NO_PROXY",
      "value": "%{noProxy}"
    },
    {
      "name": "no_proxy",
      "value": "%{noProxy}"
    },
    {
      "name": "NODE_USE_ENV_PROXY",
      "value": "1"
    },
    {
      "name": "HTTPS_PROXY",
      "value": "http://127.0.0.1:59901"
    },
    {
      "name": "https_proxy",
      "value": "http://127.0.0.1:59901"
    },
    {
      "name": "JAVA_TOOL_OPTIONS",
      "value": "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=59901 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=59901 -Dhttp.nonProxyHosts=%{noProxy}"
    }
  ],
  "java": {
    "http": "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=59901 -Dhttp.nonProxyHosts=%{noProxy}",
    "https": "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=59901 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=59901 -Dhttp.nonProxyHosts=%{noProxy}"
  },
  "always": {
    "native": [
      "POD_NAME",
      "POD_NAMESPACE",
      "POD_IP",
      "POD_UID",
      "NODE_NAME",
      "CARPOOL_ZONE",
      "CARPOOL_CONFIG_IF_PRESENT",
      "CARPOOL_LISTENER_HOST",
      "CARPOOL_LISTENER_PORT",
      "CARPOOL_OPERATOR_ENABLED",
      "CARPOOL_OPERATOR_HOST",
      "CARPOOL_OPERATOR_PORT",
      "CARPOOL_CONTROL_SOCKET",
      "CARPOOL_SECURITY_ALLOW_LOOPBACK",
      "CARPOOL_SHUTDOWN_QUIET"
    ],
    "legacy": [
      "POD_NAME",
      "POD_NAMESPACE",
      "POD_IP",
      "POD_UID",
      "NODE_NAME",
      "CARPOOL_ZONE",
      "CARPOOL_CONFIG_IF_PRESENT",
      "CARPOOL_LISTENER_HOST",
      "CARPOOL_LISTENER_PORT",
      "CARPOOL_OPERATOR_ENABLED",
      "CARPOOL_OPERATOR_HOST",
      "CARPOOL_OPERATOR_PORT",
      "CARPOOL_CONTROL_SOCKET",
      "CARPOOL_SECURITY_ALLOW_LOOPBACK"
    ]
  },
  "sidecar": {
    "native": {
      "name": "carpool",
      "image": "%{image}",
      "imagePullPolicy": "%{imagePullPolicy}",
      "args": [
        "run"
      ],
      "restartPolicy": "Always",
      "env": [
        {
          "name": "POD_NAME",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "metadata.name"
            }
          }
        },
        {
          "name": "POD_NAMESPACE",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "metadata.namespace"
            }
          }
        },
        {
          "name": "POD_IP",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "status.podIP"
            }
          }
        },
        {
          "name": "POD_UID",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "metadata.uid"
            }
          }
        },
        {
          "name": "NODE_NAME",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "spec.nodeName"
            }
          }
        },
        {
          "name": "CARPOOL_ZONE",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "metadata.labels['topology.kubernetes.io/zone']"
            }
          }
        },
        {
          "name": "NODE_OPTIONS",
          "value": "--max-old-space-size-percentage=40"
        },
        {
          "name": "CARPOOL_CONFIG_IF_PRESENT",
          "value": "/etc/carpool/carpool.yaml"
        },
        {
          "name": "CARPOOL_LISTENER_HOST",
          "value": "127.0.0.1"
        },
        {
          "name": "CARPOOL_LISTENER_PORT",
          "value": "59901"
        },
        {
          "name": "CARPOOL_OPERATOR_ENABLED",
          "value": "true"
        },
        {
          "name": "CARPOOL_OPERATOR_HOST",
          "value": "::"
        },
        {
          "name": "CARPOOL_OPERATOR_PORT",
          "value": "59902"
        },
        {
          "name": "CARPOOL_CONTROL_SOCKET",
          "value": "/run/carpool/control.sock"
        },
        {
          "name": "CARPOOL_SECURITY_ALLOW_LOOPBACK",
          "value": "true"
        },
        {
          "name": "CARPOOL_SHUTDOWN_QUIET",
          "value": "200ms"
        },
        {
          "name": "CARPOOL_DISCOVERY_KUBERNETES_ENABLED",
          "value": "false"
        }
      ],
      "ports": [
        {
          "name": "carpool-metrics",
          "containerPort": 59902,
          "protocol": "TCP"
        }
      ],
      "startupProbe": {
        "httpGet": {
          "path": "/readyz",
          "port": 59902
        },
        "periodSeconds": 1,
        "failureThreshold": 30
      },
      "resources": {},
      "securityContext": {
        "allowPrivilegeEscalation": false,
        "capabilities": {
          "drop": [
            "ALL"
          ]
        },
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": 2000000903,
        "runAsGroup": 2000000903,
        "seccompProfile": {
          "type": "RuntimeDefault"
        }
      },
      "terminationMessagePolicy": "FallbackToLogsOnError",
      "volumeMounts": [
        {
          "name": "carpool-config",
          "mountPath": "/etc/carpool",
          "readOnly": true
        },
        {
          "name": "carpool-run",
          "mountPath": "/run/carpool"
        },
        {
          "name": "carpool-api-access",
          "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
          "readOnly": true
        }
      ]
    },
    "legacy": {
      "name": "carpool",
      "image": "%{image}",
      "imagePullPolicy": "%{imagePullPolicy}",
      "args": [
        "run"
      ],
      "env": [
        {
          "name": "POD_NAME",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "metadata.name"
            }
          }
        },
        {
          "name": "POD_NAMESPACE",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "metadata.namespace"
            }
          }
        },
        {
          "name": "POD_IP",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "status.podIP"
            }
          }
        },
        {
          "name": "POD_UID",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "metadata.uid"
            }
          }
        },
        {
          "name": "NODE_NAME",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "spec.nodeName"
            }
          }
        },
        {
          "name": "CARPOOL_ZONE",
          "valueFrom": {
            "fieldRef": {
              "fieldPath": "metadata.labels['topology.kubernetes.io/zone']"
            }
          }
        },
        {
          "name": "NODE_OPTIONS",
          "value": "--max-old-space-size-percentage=40"
        },
        {
          "name": "CARPOOL_CONFIG_IF_PRESENT",
          "value": "/etc/carpool/carpool.yaml"
        },
        {
          "name": "CARPOOL_LISTENER_HOST",
          "value": "127.0.0.1"
        },
        {
          "name": "CARPOOL_LISTENER_PORT",
          "value": "59901"
        },
        {
          "name": "CARPOOL_OPERATOR_ENABLED",
          "value": "true"
        },
        {
          "name": "CARPOOL_OPERATOR_HOST",
          "value": "::"
        },
        {
          "name": "CARPOOL_OPERATOR_PORT",
          "value": "59902"
        },
        {
          "name": "CARPOOL_CONTROL_SOCKET",
          "value": "/run/carpool/control.sock"
        },
        {
          "name": "CARPOOL_SECURITY_ALLOW_LOOPBACK",
          "value": "true"
        },
        {
          "name": "CARPOOL_SHUTDOWN_GRACE",
          "value": "28s"
        },
        {
          "name": "CARPOOL_DISCOVERY_KUBERNETES_ENABLED",
          "value": "false"
        }
      ],
      "ports": [
        {
          "name": "carpool-metrics",
          "containerPort": 59902,
          "protocol": "TCP"
        }
      ],
      "startupProbe": {
        "httpGet": {
          "path": "/readyz",
          "port": 59902
        },
        "periodSeconds": 1,
        "failureThreshold": 30
      },
      "lifecycle": {
        "postStart": {
          "exec": {
            "command": [
              "/usr/bin/node",
              "/app/carpool.js",
              "wait",
              "--timeout",
              "20s"
            ]
          }
        },
        "preStop": {
          "exec": {
            "command": [
              "/bin/sleep",
              "29"
            ]
          }
        }
      },
      "resources": {},
      "securityContext": {
        "allowPrivilegeEscalation": false,
        "capabilities": {
          "drop": [
            "ALL"
          ]
        },
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": 2000000903,
        "runAsGroup": 2000000903,
        "seccompProfile": {
          "type": "RuntimeDefault"
        }
      },
      "terminationMessagePolicy": "FallbackToLogsOnError",
      "volumeMounts": [
        {
          "name": "carpool-config",
          "mountPath": "/etc/carpool",
          "readOnly": true
        },
        {
          "name": "carpool-run",
          "mountPath": "/run/carpool"
        },
        {
          "name": "carpool-api-access",
          "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
          "readOnly": true
        }
      ]
    }
  },
  "volumes": [
    {
      "name": "carpool-config",
      "configMap": {
        "name": "%{configMap}",
        "optional": true
      }
    },
    {
      "name": "carpool-run",
      "emptyDir": {
        "medium": "Memory",
        "sizeLimit": "1Mi"
      }
    },
    {
      "name": "carpool-api-access",
      "projected": {
        "sources": [
          {
            "serviceAccountToken": {
              "path": "token",
              "expirationSeconds": 3600
            }
          },
          {
            "configMap": {
              "name": "kube-root-ca.crt",
              "items": [
                {
                  "key": "ca.crt",
                  "path": "ca.crt"
                }
              ]
            }
          },
          {
            "downwardAPI": {
              "items": [
                {
                  "path": "namespace",
                  "fieldRef": {
                    "fieldPath": "metadata.namespace"
                  }
                }
              ]
            }
          }
        ]
      }
    }
  ],
  "marks": {
    "port": "59901",
    "operatorPort": "59902",
    "user": "2000000903",
    "preStop": "\"29\"",
    "shutdownGrace": "28s"
  }
}
{{- end -}}
