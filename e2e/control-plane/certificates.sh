# shellcheck shell=bash
# Sourced by up.sh. Everything is written below $STATE and lasts 30 days.

make_ca() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$STATE/pki/ca.key"
  openssl req -x509 -new -key "$STATE/pki/ca.key" -days 30 -subj /CN=carpool-kube-ca -out "$STATE/pki/ca.crt" \
    -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

# make_cert NAME SUBJECT [SUBJECT-ALT-NAMES]: pki/NAME.{key,crt}, for client and server use.
make_cert() {
  local name=$1 subject=$2 sans=${3:-}
  openssl ecparam -name prime256v1 -genkey -noout -out "$STATE/pki/$name.key"
  openssl req -new -key "$STATE/pki/$name.key" -subj "$subject" -out "$STATE/pki/$name.csr"
  openssl x509 -req -in "$STATE/pki/$name.csr" -CA "$STATE/pki/ca.crt" -CAkey "$STATE/pki/ca.key" \
    -days 30 -set_serial "0x$(openssl rand -hex 8)" -out "$STATE/pki/$name.crt" \
    -extfile <(printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\nbasicConstraints=critical,CA:FALSE\n%s' \
               "${sans:+subjectAltName=$sans}") 2>/dev/null
  rm "$STATE/pki/$name.csr"
}

# make_service_account_key: pki/sa.{key,pub}, which sign service accounts' tokens.
make_service_account_key() {
  openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$STATE/pki/sa.key"
  openssl pkey -in "$STATE/pki/sa.key" -pubout -out "$STATE/pki/sa.pub"
}

# make_kubeconfig NAME: conf/NAME.kubeconfig that uses pki/NAME.
make_kubeconfig() {
  cat >"$STATE/conf/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: carpool
  cluster: {server: "https://$NODE_IP:6443", certificate-authority-data: $(base64 -w0 <"$STATE/pki/ca.crt")}
users:
- name: $1
  user: {client-certificate-data: $(base64 -w0 <"$STATE/pki/$1.crt"), client-key-data: $(base64 -w0 <"$STATE/pki/$1.key")}
contexts:
- name: carpool
  context: {cluster: carpool, user: $1}
current-context: carpool
YAML
}
