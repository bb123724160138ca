//! Tells clients that speak plain HTTP that TLS is expected.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// The first byte of a handshake.
const HANDSHAKE: u8 = 0x16;
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\
                       content-length: 126\r\n\r\n\
                       {\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"this clade speaks TLS: ask it with https\",\"code\":\"invalid\"}";

/// The stream, if its client begins a handshake. How long that may take is the matter of its place.
pub(super) async fn expected(mut stream: TcpStream) -> Option<TcpStream> {
    let mut first = [0];
    let peeked = stream.peek(&mut first).await.ok()?;
    if peeked == 1 && first != [HANDSHAKE] {
        let _ = refuse(&mut stream).await;
    }
    (first == [HANDSHAKE]).then_some(stream)
}

/// Reads first what the client has sent: closing with unread bytes would take the answer from the client.
async fn refuse(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut unread = [0; 4 << 10];
    let _ = stream.try_read(&mut unread);
    stream.write_all(PLAIN).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let text = std::str::from_utf8(PLAIN).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(
            serde_json::from_str::<crate::api::Problem>(body).is_ok_and(|problem| problem.code == "invalid")
        );
    }
}
